"""All stores of a process: catalog, reconcile, lifecycle. See DESIGN.md."""
