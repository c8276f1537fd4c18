"""`Tx`: the store's SQLite transaction used as an in-process data structure.

Rows are gathered and written in few multi-row statements. What is remembered between entries
(streams, names) is an overlay: written during apply, published after COMMIT, dropped on rollback.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

import apsw
import msgspec

from pyesdb.machine.state import (
    MACHINE_VERSION,
    Settings,
    State,
    Stream,
    decode_state,
    encode_state,
)
from pyesdb.model.errors import NewerFormat
from pyesdb.sqlite.statements import ROWS, rows, statement

K = TypeVar("K")
V = TypeVar("V")
CACHE_MAX = 100_000
EVENT_COLUMNS = 13


class Overlay(Generic[V]):
    """A cache whose newest layer is provisional until `publish`."""

    __slots__ = ("base", "fresh")

    def __init__(self) -> None:
        self.base: dict[str, V] = {}
        self.fresh: dict[str, V] = {}

    def get(self, key: str) -> V | None:
        """The value, newest layer first."""
        found = self.fresh.get(key)
        return self.base.get(key) if found is None else found

    def publish(self) -> None:
        """The provisional layer is true now."""
        if self.fresh:
            if len(self.base) > CACHE_MAX:
                self.base.clear()
            self.base.update(self.fresh)
            self.fresh.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.base.clear()
        self.fresh.clear()


class Tx:
    """One store's file as the machine sees it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._execute = connection.cursor().execute
        self.streams: Overlay[Stream] = Overlay()
        self.types: Overlay[int] = Overlay()
        self.tags: Overlay[int] = Overlay()
        self.state = State()
        self.now = 0
        self.reload()

    # -- statements

    def all(self, name: str, *args: Any) -> list[tuple[Any, ...]]:
        """All rows of a named statement; pending rows are not written first."""
        return self._execute(statement(name), args).fetchall()

    def run(self, name: str, *args: Any) -> None:
        """Execute a named statement at once."""
        self._execute(statement(name), args).fetchall()

    def find(self, name: str, keys: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of a statement that ends in `IN (?)`, for any number of keys."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(keys), ROWS):
            part = keys[start : start + ROWS]
            found += self._execute(rows(name, len(part)), part).fetchall()
        return found

    def insert_events(self) -> None:
        """Insert the gathered event rows, which lie flat in one list."""
        values, step = self.new_events, EVENT_COLUMNS * ROWS
        for start in range(0, len(values), step):
            part = values[start : start + step]
            self._execute(rows("add_events", len(part) // EVENT_COLUMNS), part)
        values.clear()

    def insert(self, name: str, values: Sequence[Sequence[Any]]) -> None:
        """Insert rows with a statement that ends in one row of values."""
        for start in range(0, len(values), ROWS):
            part = values[start : start + ROWS]
            self._execute(rows(name, len(part)), tuple(chain.from_iterable(part)))

    # -- life

    def reload(self) -> None:
        """Forget what is remembered and read the file: another process has written, or an error."""
        self.streams.clear()
        self.types.clear()
        self.tags.clear()
        self.meta: dict[str, Any] = dict(self.all("meta"))
        if self.meta["machine"] > MACHINE_VERSION:
            raise NewerFormat(
                f"the store follows machine version {self.meta['machine']}, this pyesdb knows "
                f"{MACHINE_VERSION}: upgrade pyesdb"
            )
        self._read_settings()
        self._published = self._read_state()
        self.ids = list(self.all("dictionary_ids")[0])
        self.newest_record: bytes = self.all("newest_record")[0][0] or b""
        self.discard()

    def _read_settings(self) -> None:
        raw = self.meta.get("settings")
        self.settings = msgspec.msgpack.decode(raw, type=Settings) if raw else Settings()
        limits = self.settings.max_events, self.settings.max_bytes, self.settings.max_streams
        self.has_quotas = any(limit is not None for limit in limits)
        self.frozen = bool(self.meta.get("frozen", 0))
        self.sealed = bool(self.meta.get("sealed", 0))

    def _read_state(self) -> State:
        found = [row[0] for row in self.all("last_state") + self.all("last_event_state") if row[0]]
        states = [decode_state(value) for value in found]
        return max(states, key=lambda state: state.seq, default=State())

    def discard(self) -> None:
        """Drop everything provisional: nothing was committed."""
        self.state = msgspec.structs.replace(self._published)
        for overlay in (self.streams, self.types, self.tags):
            overlay.fresh.clear()
        self.new_streams: list[tuple[Any, ...]] = []
        self.new_types: list[tuple[Any, ...]] = []
        self.new_tags: list[tuple[Any, ...]] = []
        self.new_events: list[Any] = []  # EVENT_COLUMNS values for each event
        self.new_event_tags: list[tuple[int, int]] = []
        self.new_payloads: list[tuple[Any, ...]] = []
        self.new_records: list[tuple[Any, ...]] = []
        self._rows: tuple[tuple[str, list[Any]], ...] = (
            ("add_streams", self.new_streams),
            ("add_types", self.new_types),
            ("add_tags", self.new_tags),
            ("add_event_tags", self.new_event_tags),
            ("add_event_payloads", self.new_payloads),
        )
        self.dirty: dict[str, Stream] = {}

    def rollback(self) -> None:
        """After a ROLLBACK: the next numbers and the meta rows come from the file again."""
        self.discard()
        self.reload()

    def publish(self) -> None:
        """After COMMIT: what was provisional is true."""
        self._published = self.state
        self.state = msgspec.structs.replace(self.state)
        self.streams.publish()
        self.types.publish()
        self.tags.publish()

    def begin(self, seq: int, time: int) -> None:
        """A new entry: the log's clock never goes back."""
        if seq != self.state.seq + 1:
            raise ValueError(f"entry {seq} does not follow {self.state.seq}")
        self.state.seq = seq
        self.now = self.state.clock = max(time, self.state.clock)

    # -- names

    def load_streams(self, names: Iterable[str]) -> None:
        """Read the rows of streams that are not remembered."""
        missing = [name for name in names if self.streams.get(name) is None]
        if not missing:
            return
        for name, id_, state, first, swept, age, count, last, last_id, position in self.find(
            "streams_by_name", missing
        ):
            version = swept - 1 if last is None else last
            self.streams.fresh[name] = Stream(
                id_, state, first, swept, age, count, version, last_id or b"", position or -1
            )

    def stream(self, name: str) -> Stream | None:
        """A stream's row, or None if the stream never existed."""
        return self.streams.get(name)

    def to_change(self, name: str, stream: Stream) -> Stream:
        """A provisional copy of a stream's row, to be changed by the caller."""
        if name in self.streams.fresh:
            return stream
        copy = msgspec.structs.replace(stream)
        self.streams.fresh[name] = copy
        return copy

    def touch(self, name: str, stream: Stream) -> None:
        """Write the stream's row with this entry."""
        self.dirty[name] = stream

    def add_stream(self, name: str) -> Stream:
        """A new stream."""
        self.ids[0] += 1
        self.state.streams += 1
        stream = Stream(self.ids[0])
        self.streams.fresh[name] = stream
        self.new_streams.append((stream.id, name, self.now, self.now, 0, 0, 0))
        return stream

    def load_names(self, kind: str, overlay: Overlay[int], names: Iterable[str]) -> None:
        """Read the ids of types or tags that are not remembered."""
        missing = [name for name in names if overlay.get(name) is None]
        if missing:
            overlay.fresh.update(self.find(kind, missing))  # type: ignore[arg-type]

    def type_id(self, name: str) -> int:
        """The id of a type, given to it now if it has none."""
        found = self.types.get(name)
        if found is None:
            self.ids[1] += 1
            found = self.types.fresh[name] = self.ids[1]
            self.new_types.append((found, name))
        return found

    def tag_id(self, name: str) -> int:
        """The id of a tag, given to it now if it has none."""
        found = self.tags.get(name)
        if found is None:
            self.ids[2] += 1
            found = self.tags.fresh[name] = self.ids[2]
            self.new_tags.append((found, name))
        return found

    # -- rows

    def flush(self) -> None:
        """Write the gathered rows: before a question about events, and at the end of an entry."""
        if self.new_events:
            self.insert_events()
        for name, values in self._rows:
            if values:
                self.insert(name, values)
                values.clear()
        if self.dirty:
            for stream in self.dirty.values():
                self.run(
                    "set_stream",
                    self.now,
                    stream.state,
                    stream.first,
                    stream.swept,
                    stream.max_age,
                    stream.max_count,
                    stream.id,
                )
            self.dirty.clear()

    def set_meta(self, key: str, value: Any) -> None:
        """Change a meta row; it holds from the next command on."""
        self.run("set_meta", key, value)
        self.meta[key] = value
        self._read_settings()

    def finish(self) -> None:
        """Write what is left, and the state: into the entry's last event, else into its own row."""
        encoded = encode_state(self.state)
        if self.new_events:
            self.new_events[-1] = encoded
            self.flush()
        else:
            self.flush()
            self.run("set_state", encoded, self.state.position)
        if self.new_records:
            self.insert("add_records", self.new_records)
            self.new_records.clear()
        if self.state.seq % 1000 == 0:
            self.run("add_mark", self.state.seq, self.state.chain)
