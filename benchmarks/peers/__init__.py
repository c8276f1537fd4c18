"""Other event stores, each started, used and stopped by one module."""
