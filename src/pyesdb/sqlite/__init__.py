"""One SQLite file: schema, connections, locks, named statements, checksums. See DESIGN.md."""
