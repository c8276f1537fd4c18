"""Filled stores, each made once in a run, when the first row asks for it, and kept for the others.

What must never happen here: a store that is counted as filled and is not.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.row4_reads import Batch, batches
from benchmarks.sides import Missing, Opener
from benchmarks.work import BODIES

AT_ONCE = 1000
"""Events per call. More would help us and harm UmaDB, whose list of free pages grows by it."""
ROOM = 1000
"""Bytes on the disk that an event may take while a store is filled, everyone's log included."""
ONE_STREAM = "00000000-0000-4000-8000-00000000feed"
_NOTE = "filled.json"
Layout = Callable[[int], Iterator[Batch]]


def many_streams(events: int) -> Iterator[Batch]:
    """Streams of ten events, half of them written together, half apart."""
    return batches(events, AT_ONCE)


def one_stream(events: int) -> Iterator[Batch]:
    """All in one stream."""
    for start in range(0, events, 1000):
        yield [(ONE_STREAM, start, BODIES[: events - start])]


def disk_bytes(folder: Path) -> int:
    """What the files below take on the disk."""
    found = (path.stat() for path in folder.rglob("*") if path.is_file() and path.name != _NOTE)
    return sum(status.st_blocks * 512 for status in found)


def _check_room(place: Path, events: int) -> None:
    need, free = events * ROOM, shutil.disk_usage(place).free
    if need > free:
        raise Missing(
            f"a store of {events:,} events needs {need / 1e9:.1f} GB in the scratch directory "
            f"while it is filled, and {free / 1e9:.1f} GB are free: see --scratch"
        )


def filled(
    place: Path, name: str, opener: Callable[[Path], Any], events: int, layout: Layout
) -> tuple[Path, int]:
    """The folder of a store of that name, to be given to `opener`, and its bytes when new."""
    folder = place / f"{name}-{events}"
    note = folder / _NOTE
    if not note.exists():
        place.mkdir(parents=True, exist_ok=True)
        _check_room(place, events)
        folder.mkdir()
        try:
            with opener(folder) as side:
                _fill(side, events, layout)
        except Missing:
            shutil.rmtree(folder)
            raise
        note.write_text(json.dumps(disk_bytes(folder)))
    return folder, json.loads(note.read_text())


@contextmanager
def full(opened: AbstractContextManager[Any], events: int) -> Iterator[Any]:
    """What `opened` yields, filled."""
    with opened as side:
        _fill(side, events, many_streams)
        yield side


def _fill(side: Any, events: int, layout: Layout) -> None:
    try:
        for batch in layout(events):
            side.fill(batch)
    except Exception as error:
        raise Missing(f"failed while filling: {type(error).__name__}: {error}") from error


def opener_of(
    place: Path,
    name: str,
    filler: Callable[[Path], Any],
    events: int,
    layout: Layout = many_streams,
    opener: Callable[[Path], Any] | None = None,
) -> Opener:
    """Open a filled store, filling it first if need be, instead of an empty one."""

    def opened(_empty: Path) -> AbstractContextManager[Any]:
        folder, _size = filled(place, name, filler, events, layout)
        return (opener or filler)(folder)

    return opened
