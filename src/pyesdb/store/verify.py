"""`verify`: whether a store's file still says what was written, and what to do if not.

It reads only, in short transactions, while writers go on: the bounds are those of its first
question. The one exception: a page that looks damaged and may be whole in the write-ahead log (a
power cut tore it in a checkpoint) is looked at again behind a checkpoint, which the next writer
would do. What must never happen here: a write of anything else, an exception for damage that can be
told, or memory that grows with the store.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pyesdb.machine.state import State, decode_state
from pyesdb.model.errors import Corrupt, DiskFull, StoreFailed
from pyesdb.model.results import VerifyResult
from pyesdb.sqlite import files, pages
from pyesdb.sqlite.cipher import Keys
from pyesdb.store.findings import COUNTERS, IDENTITY, KEPT, RESTORE, Findings
from pyesdb.store.history import History, Tally, array_bytes
from pyesdb.store.readers import Reader
from pyesdb.store.references import References
from pyesdb.telemetry.log import logger

OnProgress = Callable[[int, int], None]


def verify_file(
    path: Path,
    identity: Mapping[str, int | str] | None = None,
    on_progress: OnProgress | None = None,
    *,
    read_only: bool = False,
    keys: Keys | None = None,
) -> VerifyResult:
    """Verify a store's file wherever it lies; `identity`: what its meta rows must say, if known.

    Raises StoreFailed when there is no file, NewerFormat, AccessDenied; all else is in the result.
    """
    if not path.exists():
        raise StoreFailed(f"{path} is missing: restore it from a backup")
    try:
        reader = Reader(path, read_only=read_only, keys=keys)
    except Corrupt as error:
        return unreadable(path, error, on_progress)
    try:
        return verify(reader, path, identity or {}, on_progress)
    finally:
        reader.connection.close()


def unreadable(path: Path, error: Corrupt, on_progress: OnProgress | None) -> VerifyResult:
    """The result for a file that SQLite does not even open: its pages, as far as they are read."""
    found = Findings(path)
    found.add("file", "", str(error), RESTORE)
    progress = Progress(path.stat().st_size // 4096, on_progress)
    _pages(path, found, progress)
    progress.end()
    return VerifyResult(ok=False, events=0, streams=0, entries=0, problems=found.problems())


def verify(
    reader: Reader,
    path: Path,
    identity: Mapping[str, int | str],
    on_progress: OnProgress | None = None,
) -> VerifyResult:
    """Verify the file of a read connection; progress is (done, total) steps, in no unit."""
    found = Findings(path)
    with reader.moment():
        start = _state(reader, found)
        until = _head(reader, start, found)
        (ids,) = _ask(reader, found, "dictionary_ids") or [(start.streams, 0, 0)]
        begins = _identity(reader, identity, found)
    steps = path.stat().st_size // 4096 + until - begins + 2 * start.events + ids[0]
    progress = Progress(steps, on_progress)
    _pages(path, found, progress, lambda: _settle(reader))
    tally = History(reader, found, until, start.clock, begins).run(progress)
    others = References(reader, found, progress, until)
    others.structure()
    others.indexes()
    streams = others.streams(ids[0], start.clock)
    others.pruned()
    others.marks(tally.marks, start.seq)
    others.snapshots()
    others.subscriptions()
    last_recorded = others.commands()
    with reader.moment():  # of two rows: the state moves from one to the other
        end = _state(reader, found)
    if last_recorded > end.position and not found.unreadable:
        what = f"a command stored events up to position {last_recorded}, behind the last entry"
        found.add("head", "the last state", what, RESTORE)
    if tally.complete and others.complete and not found.unreadable:
        _counters(reader, start, end, tally, streams, found)
    progress.end()
    return VerifyResult(
        ok=not found.any,
        events=tally.events,
        streams=streams,
        entries=start.seq,
        problems=found.problems(),
    )


class Progress:
    """Steps done of a total that was estimated at the start; the last call is (total, total)."""

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self.total = max(1, total)
        self.done = 0
        self._told = on_progress

    def __call__(self, steps: int) -> None:
        """So many steps more."""
        self.done = min(self.total, self.done + steps)
        if self._told:
            self._told(self.done, self.total)

    def end(self) -> None:
        """All is done."""
        self(self.total)


def _settle(reader: Reader) -> None:
    """What the write-ahead log holds goes into the file, where nobody else hinders it."""
    try:
        reader.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except files.FAILURES as error:
        found = files.translate(error, "the write-ahead log")
        if isinstance(found, DiskFull):  # the file is half written: pages are missing, none is lost
            raise found from error
        logger.info("no checkpoint for verify: %s", error)  # read-only: what is found stays found


def _pages(
    path: Path, found: Findings, progress: Progress, settle: Callable[[], None] = lambda: None
) -> None:
    told = 0

    def on_pages(done: int, _: int) -> None:
        nonlocal told
        progress(done - told)
        told = done

    for number, what in pages.damaged(path, on_pages, KEPT, settle):
        found.add("page", f"page {number}", what, RESTORE)


def _ask(reader: Reader, found: Findings, name: str) -> list[tuple[Any, ...]]:
    """Rows of a question about the store as a whole; what cannot be read is a finding."""
    try:
        return reader.all(name)
    except files.FAILURES as error:
        found.unreadable = True
        what = f"what the store says of itself ({name}) cannot be read ({error})"
        found.add("unreadable", "", what, RESTORE)
        return []


def _identity(reader: Reader, identity: Mapping[str, int | str], found: Findings) -> int:
    """Compare what the file says it is; returns behind which position it begins (mostly 0)."""
    meta = dict(_ask(reader, found, "meta"))
    wanted = {"format": files.FORMAT, **identity} if meta else {}
    for key, value in wanted.items():
        if meta.get(key) != value:
            what = f"its {key} is {meta.get(key)!r}, and must be {value!r}"
            found.add("identity", "table meta", what, IDENTITY)
    begins = meta.get("begins", 0)
    return begins if type(begins) is int else 0


def _state(reader: Reader, found: Findings) -> State:
    """The newest state: of the last entry that stored events, or of the one behind it."""
    newest = State()
    for name in ("last_state", "last_event_state"):
        for (value,) in _ask(reader, found, name):
            try:
                state = decode_state(value) if value else newest
            except msgspec.MsgspecError as error:
                found.add("state", "the last state", f"it cannot be read: {error}", RESTORE)
                continue
            newest = max(newest, state, key=lambda s: s.seq)
    return newest


def _head(reader: Reader, state: State, found: Findings) -> int:
    """The last state against the head that readers see; the later of the two."""
    if any(_position(value) != stored for value, stored in _ask(reader, found, "state_row")):
        found.add("head", "table state", "its head is not that of its value", RESTORE)
    ((head,),) = _ask(reader, found, "head") or [(state.position,)]
    if head != state.position:
        what = f"the last position is {head}, the last entry says {state.position}"
        found.add("head", "the last state", what, RESTORE)
    return max(head, state.position)


def _position(value: bytes) -> int:
    try:
        return decode_state(value).position
    except msgspec.MsgspecError:
        return -1


def _counters(
    reader: Reader, start: State, end: State, tally: Tally, streams: int, found: Findings
) -> None:
    """What was counted against the state.

    When a scavenge ran meanwhile, events are compared in bounds, and bytes the next time.
    """
    size = tally.bytes + sum(
        array_bytes(length) * count
        for length, count in reader.all("verify_gone_sizes", start.position)
    )
    reclaimed = start.events + end.position - start.position - end.events
    for name, counted, said, fewer in (
        ("events", tally.events, start.events, reclaimed),
        ("bytes", start.bytes if reclaimed else size, start.bytes, 0),
        ("streams", streams, start.streams, 0),
    ):
        if not said - fewer <= counted <= said:
            what = f"the state says {said:,} {name}, there are {counted:,}"
            found.add("counters", f"counter of {name}", what, COUNTERS)
