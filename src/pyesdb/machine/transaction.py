"""`Tx`: the store's SQLite transaction used as an in-process data structure.

Rows are gathered and written in few multi-row statements. What is remembered between entries
(streams, names, the state) changes with the commands; a rollback forgets all of it and reads the
file again, so only what is committed is ever remembered longer than an entry.
"""

from collections.abc import Iterable, Sequence
from typing import Any

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

CACHE_MAX = 100_000
EVENT_COLUMNS = 13
_OTHERS = (
    ("add_streams", 7),
    ("add_types", 2),
    ("add_tags", 2),
    ("add_event_tags", 2),
    ("add_event_payloads", 3),
)
"""The statements of what is gathered beside events, and their columns."""


class Tx:
    """One store's file as the machine sees it. `new_...`: rows to insert, flat in one list each."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._execute = connection.cursor().execute
        self.streams: dict[str, Stream] = {}
        self.types: dict[str, int] = {}
        self.tags: dict[str, int] = {}
        self.newest: dict[int, int] = {}
        """Of each tag remembered: a position behind which no event has it, gathered ones too."""
        self.now = 0
        self.reload()

    # -- statements

    def all(self, name: str, *args: Any) -> list[tuple[Any, ...]]:
        """All rows of a named statement; pending rows are not written first."""
        return self._execute(statement(name), args).fetchall()

    def run(self, name: str, *args: Any) -> None:
        """Execute a named statement at once."""
        self._execute(statement(name), args).fetchall()

    def find(self, name: str, keys: Sequence[Any], *first: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement that ends in `IN (?)`, for any number of keys.

        `first`: what goes before the keys.
        """
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(keys), ROWS):
            part = keys[start : start + ROWS]
            found += self._execute(rows(name, len(part)), (*first, *part)).fetchall()
        return found

    def insert(self, name: str, columns: int, values: list[Any]) -> None:
        """Insert gathered rows, which lie flat in one list, and empty it."""
        step = columns * ROWS
        if len(values) <= step:
            self._execute(rows(name, len(values) // columns), values)
        else:
            for start in range(0, len(values), step):
                part = values[start : start + step]
                self._execute(rows(name, len(part) // columns), part)
        values.clear()

    # -- life

    def reload(self) -> None:
        """Forget what is remembered and read the file: another process has written, or an error."""
        self.streams.clear()
        self.types.clear()
        self.tags.clear()
        self.newest.clear()
        self.meta: dict[str, Any] = dict(self.all("meta"))
        if self.meta["machine"] > MACHINE_VERSION:
            raise NewerFormat(
                f"the store follows machine version {self.meta['machine']}, this pyesdb knows "
                f"{MACHINE_VERSION}: upgrade pyesdb"
            )
        self._read_settings()
        self.state = self._read_state()
        self.ids = list(self.all("dictionary_ids")[0])
        self.newest_record: bytes = self.all("newest_record")[0][0] or b""
        self._gather()

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

    def _gather(self) -> None:
        """Rows for the statements of this entry."""
        self.new_streams: list[Any] = []
        self.new_types: list[Any] = []
        self.new_tags: list[Any] = []
        self.new_events: list[Any] = []
        self.new_event_tags: list[Any] = []
        self.new_payloads: list[Any] = []
        self.new_records: list[Any] = []
        self.dirty: dict[str, Stream] = {}
        self._others = (
            self.new_streams,
            self.new_types,
            self.new_tags,
            self.new_event_tags,
            self.new_payloads,
        )

    def publish(self) -> None:
        """After COMMIT: not more is remembered than there is room for."""
        if len(self.streams) + len(self.types) + len(self.tags) > CACHE_MAX:
            for names in (self.streams, self.types, self.tags, self.newest):
                names.clear()

    def begin(self, seq: int, time: int) -> None:
        """A new entry: the log's clock never goes back."""
        if seq != self.state.seq + 1:
            raise ValueError(f"entry {seq} does not follow {self.state.seq}")
        self.state.seq = seq
        self.now = self.state.clock = max(time, self.state.clock)

    # -- names

    def load_streams(self, names: Iterable[str]) -> None:
        """Read the rows of streams that are not remembered."""
        missing = [name for name in names if name not in self.streams]
        if not missing:
            return
        for name, id_, state, first, swept, age, count, last, last_id, position in self.find(
            "streams_by_name", missing
        ):
            version = swept - 1 if last is None else last
            self.streams[name] = Stream(
                id_, state, first, swept, age, count, version, last_id or b"", position or -1
            )

    def stream(self, name: str) -> Stream | None:
        """A stream's row, or None if the stream never existed."""
        return self.streams.get(name)

    def touch(self, name: str, stream: Stream) -> None:
        """Write the stream's row with this entry."""
        self.dirty[name] = stream

    def add_stream(self, name: str) -> Stream:
        """A new stream."""
        self.ids[0] += 1
        self.state.streams += 1
        stream = Stream(self.ids[0])
        self.streams[name] = stream
        self.new_streams += (stream.id, name, self.now, self.now, 0, 0, 0)
        return stream

    def load_types(self, names: Iterable[str]) -> None:
        """Read the ids of types that are not remembered."""
        missing = [name for name in names if name not in self.types]
        if missing:
            self.types.update(self.find("types_by_name", missing))  # type: ignore[arg-type]

    def load_tags(self, names: Iterable[str]) -> None:
        """Read the ids of tags that are not remembered, and where their newest events are."""
        missing = [name for name in names if name not in self.tags]
        if not missing:
            return
        for name, id_, newest in self.find("tags_by_name", missing):
            self.tags[name] = id_
            self.newest[id_] = newest or 0

    def type_id(self, name: str) -> int:
        """The id of a type, given to it now if it has none."""
        found = self.types.get(name)
        if found is None:
            self.ids[1] += 1
            found = self.types[name] = self.ids[1]
            self.new_types += (found, name)
        return found

    def tag_id(self, name: str) -> int:
        """The id of a tag, given to it now if it has none."""
        found = self.tags.get(name)
        if found is None:
            self.ids[2] += 1
            found = self.tags[name] = self.ids[2]
            self.new_tags += (found, name)
        return found

    # -- rows

    def flush(self) -> None:
        """Write the gathered rows: before a question about events, and at the end of an entry."""
        if self.new_events:
            self.insert("add_events", EVENT_COLUMNS, self.new_events)
        if any(self._others):
            for (name, columns), values in zip(_OTHERS, self._others, strict=True):
                if values:
                    self.insert(name, columns, values)
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
            self.insert("add_records", 4, self.new_records)
        if self.state.seq % 1000 == 0:
            self.run("add_mark", self.state.seq, self.state.chain)
