"""The settings table, and where each effective value comes from."""
