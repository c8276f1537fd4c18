"""How queued commands become the entries of a store's log. See DESIGN.md.

A log has `start(deliver)`, `propose(commands)`, `barrier()` and `close()`; it delivers entries in
order, contiguous, at least once, from `applied + 1`. The contract is the store's (store.contract).
"""
