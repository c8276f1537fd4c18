"""Typed events: classes registered for event types, and upcasters of their old versions."""
