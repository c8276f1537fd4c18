"""A database written by an earlier version: every later one opens it, reads it and goes on."""
