"""Clock and logging: the only room that reads wall time (but for the uuid7 default of ids)."""
