"""`import_events`: a file into a store."""

import os
from collections.abc import Callable
from os import PathLike

import msgspec

import pyesdb
from pyesdb.transfer import engine, form
from pyesdb.transfer.files import Lines, Place
from pyesdb.transfer.results import ImportResult
from pyesdb.transfer.supply import CloudEvents, ExportFile, JsonLines, Supply


def import_events(
    store: pyesdb.Store,
    source: Place,
    *,
    source_id: str | None = None,
    allow_partial: bool = False,
    batch: int = engine.BATCH,
    on_progress: Callable[[int, int], None] | None = None,
) -> ImportResult:
    """Store the events of a file, in their order; each once, for ever, however often it is called.

    `source`: a path (compressed with gzip or not) or a binary file object: an export, lines like
    those of `pyesdb read --json`, or one CloudEvent on each line; which one is seen from its first
    line. `source_id`: the name under which the store tracks how far it has come; by default that of
    the export (store, history, selection), else made of the first line. `allow_partial`: a cut-off
    export is no error. `batch`: events in one transaction, at most.
    Ids, types, data, metadata, tags, content types and times are kept; versions, positions and
    `created` are new. `on_progress(done, total)` counts bytes; total is 0 when it is not known.
    A path to an export is compared with its digest before anything is stored.
    Raises InvalidExport, TruncatedExport (what came before is stored: call again with the mended
    file), SourceConflict, TrackingConflict (another one is importing it), what append_many raises.
    """
    if type(batch) is not int or batch < 1:
        raise pyesdb.RequestError(f"batch must be an int of at least 1, not {batch!r:.40}")
    if isinstance(source, (str, PathLike)) and os.path.isfile(source):
        _check(source)
    with Lines(source) as lines:
        supply = _supply(lines, allow_partial=allow_partial)
        return engine.run(store, supply, source_id, batch, on_progress)


def recognise(path: str | PathLike[str]) -> None:
    """Raise InvalidExport or TruncatedExport if the first line of a file is not one of events."""
    with Lines(path) as lines:
        _supply(lines, allow_partial=True)


def _check(path: str | PathLike[str]) -> None:
    """Nothing of a file that was changed after it was written is stored (5 % of the time)."""
    with Lines(path) as lines:
        supply = _supply(lines, allow_partial=True)
        if isinstance(supply, ExportFile):
            supply.check()


def _supply(lines: Lines, *, allow_partial: bool) -> Supply:
    first = next((line for line in lines if not line.isspace()), b"")
    if not first:
        raise lines.truncated("there is nothing in it")
    if first.startswith(form.HEADER_KEY):
        return ExportFile(lines, first, allow_partial=allow_partial)
    try:
        keys = msgspec.json.decode(first, type=dict[str, msgspec.Raw]).keys()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise lines.invalid(f"not a file of events: {error}") from None
    if "specversion" in keys:
        return CloudEvents(lines, first)
    if "stream" in keys and "type" in keys:
        return JsonLines(lines, first)
    raise lines.invalid(
        'not a file of events: expected an export, lines with "stream" and "type", or CloudEvents'
    )
