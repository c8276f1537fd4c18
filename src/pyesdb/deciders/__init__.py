"""Load, decide, append: what `Store.handle` does, without a store. See DESIGN.md."""
