"""`export_events`: a store, or a selection of it, into a file."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Literal

import msgspec

import pyesdb
from pyesdb.transfer import form
from pyesdb.transfer.files import Place, writing
from pyesdb.transfer.results import ExportResult
from pyesdb.transfer.visible import visible

FORMATS = ("jsonl", "cloudevents")
_EVERY = 1_000
"""Events between two reports of progress."""

Progress = Callable[[int, int], None]


def export_events(
    store: pyesdb.Store,
    target: Place,
    *,
    format: Literal["jsonl", "cloudevents"] = "jsonl",  # noqa: A002  (the word users look for)
    select: pyesdb.Selector | None = None,
    after: int = 0,
    before: int | None = None,
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> ExportResult:
    """Write the events with `after` < position < `before` that `select` means, in their order.

    Events that are hidden are left out: of deleted streams, truncated, expired.
    `target`: a path (compressed if it ends in .gz; it appears when it is whole and durable, not
    before) or a binary file object. `format`: "jsonl" is lossless and notices truncation;
    "cloudevents" is one CloudEvent 1.0 per line, for others. Events that are appended meanwhile
    are not in it. `on_progress(position, head)` is called now and then.
    Raises RequestError if the file exists and `overwrite` is not given, DiskFull, OSError.
    """
    if format not in FORMATS:
        raise pyesdb.RequestError(f"format must be one of {FORMATS}, not {format!r:.40}")
    header, source = form.source_of(store, select)
    found = store.read_all(after=after, before=before, select=select)
    head = max(found.head, after)
    header = msgspec.structs.replace(header, after=after, head=head)
    shown = visible(store, found)
    lines = _jsonl(header, shown) if format == "jsonl" else _cloudevents(shown)
    digest = blake2b(digest_size=32)
    events = size = 0
    with writing(target, overwrite=overwrite) as file:
        for position, line in lines:
            digest.update(line)
            size += file.write(line)
            events += position > 0
            if on_progress is not None and position and events % _EVERY == 0:
                on_progress(position, head)
        if format == "jsonl":
            trailer = form.Trailer(events, digest.hexdigest())
            size += file.write(form.encode(trailer) + b"\n")
    if on_progress is not None:
        on_progress(head, head)
    return ExportResult(events, size, digest.hexdigest(), head, source)


def _jsonl(
    header: form.Header, found: Iterable[pyesdb.RecordedEvent]
) -> Iterator[tuple[int, bytes]]:
    """Lines with the positions of their events; 0 for the header."""
    yield 0, form.encode(header) + b"\n"
    for event in found:
        yield event.position, form.encode(form.line_of(event)) + b"\n"


def _cloudevents(found: Iterable[pyesdb.RecordedEvent]) -> Iterator[tuple[int, bytes]]:
    for event in found:
        try:
            document = event.to_cloudevent()
        except pyesdb.InvalidEvent as error:
            raise pyesdb.InvalidEvent(f"{event!r} is no CloudEvent: {error}") from error
        yield event.position, form.encode(document) + b"\n"
