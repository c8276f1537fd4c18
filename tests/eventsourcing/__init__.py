"""The persistence module for the `eventsourcing` library: its own test classes, and ours."""
