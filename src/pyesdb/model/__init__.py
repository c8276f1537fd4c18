"""The vocabulary of an event store: events, names, versions, selectors, commands, outcomes, errors.

Pure: nothing in this room opens a file, reads a clock (but for the uuid7 default of event ids) or
knows another room.
"""
