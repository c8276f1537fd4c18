"""`copy_events`: events of one store into another, without a file between them."""

from collections.abc import Callable

import pyesdb
from pyesdb.transfer import engine
from pyesdb.transfer.results import ImportResult
from pyesdb.transfer.supply import StoreSupply


def copy_events(
    source: pyesdb.Store,
    target: pyesdb.Store,
    *,
    select: pyesdb.Selector | None = None,
    after: int = 0,
    before: int | None = None,
    source_id: str | None = None,
    batch: int = engine.BATCH,
    on_progress: Callable[[int, int], None] | None = None,
) -> ImportResult:
    """Store the events of `source` that `select` means in `target`, in their order, each once.

    Events that are hidden are left out: of deleted streams, truncated, expired. What is deleted
    later in `source` stays in `target`: a deletion is not carried over.
    Called again it goes on after what is there: new events only. It is tracked like an import of
    an export with the same selection, so either goes on where the other one ended. Ids, types,
    data, metadata, tags, content types and times are kept; versions, positions and `created` are
    new. `on_progress(position, head)` counts positions of `source`.
    Raises RequestError for a store and itself, SourceConflict, TrackingConflict, and what read_all
    and append_many raise.
    """
    if type(batch) is not int or batch < 1:
        raise pyesdb.RequestError(f"batch must be an int of at least 1, not {batch!r:.40}")
    here, there = source.info(), target.info()
    if here.config.data_dir == there.config.data_dir:
        raise pyesdb.RequestError(f"store {here.store_id!r} cannot be copied into itself")
    supply = StoreSupply(source, select, after, before)
    return engine.run(target, supply, source_id, batch, on_progress)
