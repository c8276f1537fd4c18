"""The node in this process: `Database` and `AsyncDatabase`, thin faces over it. See DESIGN.md."""
