"""Tests of PyESDB."""
