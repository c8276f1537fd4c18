"""The model: what API.md says, with dicts, lists and no thought of speed."""

from __future__ import annotations

import json
from typing import Any

from tests.property.operations import Op

Answer = Any


class RefusalError(Exception):
    """An error of the library, as the operations tell it."""

    def __init__(self, code: str, **fields: Any) -> None:
        super().__init__(code)
        self.answer = {"error": code, **fields}


class Stream:
    """One stream: `last` is its last version, `first` the first visible one."""

    def __init__(self) -> None:
        self.state = "active"
        self.first = 0
        self.last = -1
        self.max_count: int | None = None
        self.custom: dict[str, Any] = {}

    def info(self) -> Answer:
        count = self.last - self.first + 1
        return [self.last, self.first, count, self.state, self.max_count, self.custom]


class Store:
    """One store; events as the operations tell them, in order of position."""

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self.events: list[list[Any]] = []
        self.position = 0
        self.streams: dict[str, Stream] = {}
        self.tracking: dict[str, int] = {}
        self.succeeded: dict[int, tuple[str, Answer]] = {}
        self.refused: dict[tuple[int, str], RefusalError] = {}
        self.snapshots: dict[tuple[str, str, int], Any] = {}

    def usable(self, name: str) -> Stream:
        stream = self.streams.get(name)
        if stream is None:
            raise RefusalError("stream_not_found")
        if stream.state != "active":
            raise RefusalError(f"stream_{stream.state}")
        return stream

    def of(self, name: str) -> dict[int, list[Any]]:
        """The stored events of a stream by version."""
        return {event[2]: event for event in self.events if event[1] == name}

    # -- appending

    def append(self, parts: list[Any], op: Op) -> list[Answer] | None:
        """The results, or None when the same events stand there already."""
        for name, _, _ in parts:
            if name in self.streams and self.streams[name].state == "tombstoned":
                raise RefusalError("stream_tombstoned")
        repeats = [self._expectation(*part) for part in parts]
        full = [repeat for repeat, part in zip(repeats, parts, strict=True) if part[2]]
        if any(repeats) and all(full):
            return [
                repeat or self._nothing(part[0])
                for repeat, part in zip(repeats, parts, strict=True)
            ]
        for repeat, (name, wanted, _) in zip(repeats, parts, strict=True):
            if repeat and wanted not in ("any", "exists"):
                raise RefusalError("wrong_expected_version", actual=self.streams[name].last)
        self._further_checks(op)
        if op["tracking"]:
            source, position = op["tracking"]
            self.tracking[source] = position
        return [self._write(name, drawn) for name, _, drawn in parts]

    def _expectation(self, name: str, wanted: Any, drawn: list[Any]) -> Answer:
        stream = self.streams.get(name)
        if stream is None:
            if wanted in ("any", "none"):
                return None
            raise RefusalError("wrong_expected_version", actual=None)
        if stream.state == "deleted":
            if wanted == "exists":
                raise RefusalError("stream_deleted")
            if wanted in ("any", "none", stream.last):
                return None
        if wanted in ("any", "exists"):
            return self._same(name, stream.last - len(drawn) + 1, drawn)
        if wanted == stream.last:
            return None
        starts = (0, stream.first) if wanted == "none" else (wanted + 1,)
        for start in starts:
            found = self._same(name, start, drawn)
            if found:
                return found
        raise RefusalError("wrong_expected_version", actual=stream.last)

    def _same(self, name: str, start: int, drawn: list[Any]) -> Answer:
        there = self.of(name)
        found = [there.get(start + index, [None] * 6) for index in range(len(drawn))]
        if not drawn or [event[4] for event in found] != [event[0] for event in drawn]:
            return None
        return self._result(name, len(drawn), found[-1][2], found[-1][0])

    def _further_checks(self, op: Op) -> None:
        if op["tracking"]:
            source, position = op["tracking"]
            if position <= self.tracking.get(source, -1):
                raise RefusalError("tracking_conflict", recorded=self.tracking[source])
        if op["condition"]:
            wanted, after = op["condition"]
            if any(event[0] > (after or 0) and matches(wanted, event) for event in self.events):
                raise RefusalError("condition_failed")

    def _write(self, name: str, drawn: list[Any]) -> Answer:
        if not drawn:
            return self._nothing(name)
        stream = self.streams.setdefault(name, Stream())
        stream.state = "active"
        for id_, kind, tags in drawn:
            self.position += 1
            stream.last += 1
            self.events.append([self.position, name, stream.last, kind, id_, tags])
        if stream.max_count is not None:
            stream.first = max(stream.first, stream.last + 1 - stream.max_count)
        return self._result(name, len(drawn), stream.last, self.position)

    def _nothing(self, name: str) -> Answer:
        stream = self.streams.get(name)
        if stream is None or stream.state != "active":
            return self._result(name, 0, None, None)
        last = self.of(name).get(stream.last)
        return self._result(name, 0, stream.last, last and last[0])

    @staticmethod
    def _result(name: str, count: int, version: int | None, position: int | None) -> Answer:
        first = (None, None)
        if count and version is not None and position is not None:
            first = (version - count + 1, position - count + 1)
        return {"stream": name, "version": version, "position": position, "count": count,
                "first_version": first[0], "first_position": first[1]}  # fmt: skip


def matches(wanted: dict[str, list[str]], event: list[Any]) -> bool:
    return (
        ("types" not in wanted or event[3] in wanted["types"])
        and ("tags" not in wanted or set(wanted["tags"]) <= set(event[5]))
        and ("stream" not in wanted or event[1] in wanted["stream"])
    )


class Model:
    """A database: stores by id, and the handles that each process keeps."""

    def __init__(self) -> None:
        self.made = 0
        self.stores: dict[str, Store] = {"default": Store(0)}
        self.kept: dict[tuple[str, str], int] = {}

    def perform(self, op: Op, process: str = "") -> Answer:
        """What the operation answers in this process."""
        try:
            if op["op"] in ("create_store", "remove_store", "list_stores"):
                return getattr(self, op["op"])(op)
            if op["op"] == "reopen":
                self.kept = {key: v for key, v in self.kept.items() if key[0] != process}
                return None
            return getattr(self, op["op"])(self._store(op, process), op)
        except RefusalError as refusal:
            return refusal.answer

    def _store(self, op: Op, process: str) -> Store:
        store = self.stores.get(op["store"])
        if not op.get("kept"):
            if store is None:
                raise RefusalError("store_not_found")
            return store
        bound = self.kept.get((process, op["store"]))
        if store is None:
            raise RefusalError("store_not_found" if bound is None else "store_removed")
        if bound not in (None, store.incarnation):
            raise RefusalError("store_removed")
        self.kept[process, op["store"]] = store.incarnation
        return store

    # -- appending

    def append(self, store: Store, op: Op) -> Answer:
        answer = self.append_many(store, op)
        return {**answer["results"][0], "duplicate": answer["duplicate"]}

    def append_many(self, store: Store, op: Op) -> Answer:
        command = op["command"]
        content = json.dumps([op["op"], op["parts"], op["condition"], op["tracking"]])
        if command in store.succeeded:
            known, answer = store.succeeded[command]
            if known != content:
                raise RefusalError("command_mismatch")
            return told(answer, duplicate=True)
        if command and (command, content) in store.refused:
            raise store.refused[command, content]
        try:
            before = store.position
            results = store.append(op["parts"], op)
        except RefusalError as refusal:
            store.refused[command, content] = refusal
            raise
        repeated = store.position == before and any(part[2] for part in op["parts"])
        if command:
            store.succeeded[command] = (content, (op["op"], results, repeated))
        return told((op["op"], results, repeated), duplicate=repeated)

    def outcome(self, store: Store, op: Op) -> Answer:
        command = op["command"]
        if command in store.succeeded:
            kind, results, repeated = store.succeeded[command][1]
            answer = told((kind, results, repeated), duplicate=repeated)
            if kind == "append_many":
                return answer
            return {**answer["results"][0], "duplicate": repeated}
        return "not applied" if any(key[0] == command for key in store.refused) else None

    def tracked(self, store: Store, op: Op) -> Answer:
        return store.tracking.get(op["source"])

    # -- reading

    def read(self, store: Store, op: Op) -> Answer:
        wanted = op["range"]
        try:
            stream = store.usable(op["stream"])
        except RefusalError:
            if wanted.get("missing_ok"):
                return {"events": [], "version": None}
            raise
        low = max(stream.first, wanted.get("from_version", 0))
        high = min(stream.last, wanted.get("to_version", stream.last))
        found = [
            event
            for version, event in sorted(store.of(op["stream"]).items())
            if low <= version <= high and event[0] <= wanted.get("as_of", store.position)
        ]
        return {"events": cut(found, wanted), "version": stream.last}

    def read_all(self, store: Store, op: Op) -> Answer:
        wanted = op["range"]
        found = [
            event
            for event in store.events
            if wanted.get("after", 0) < event[0] < wanted.get("before", store.position + 1)
            and event[0] <= wanted.get("as_of", store.position)
            and matches(op["select"] or {}, event)
        ]
        return cut(found, wanted)

    def head(self, store: Store, op: Op) -> Answer:
        return store.position

    def version(self, store: Store, op: Op) -> Answer:
        stream = store.streams.get(op["stream"])
        return stream.last if stream is not None and stream.state == "active" else None

    def streams(self, store: Store, op: Op) -> Answer:
        names = sorted(name for name, stream in store.streams.items() if stream.state == "active")
        found = [name for name in names if name.startswith(op["prefix"] or "")]
        return found[: op["limit"]]

    def stream_info(self, store: Store, op: Op) -> Answer:
        if op["stream"] not in store.streams:
            raise RefusalError("stream_not_found")
        return store.streams[op["stream"]].info()

    # -- deleting, retention

    def delete(self, store: Store, op: Op) -> Answer:
        stream = store.streams.get(op["stream"])
        wanted = op["expected"]
        if stream is None:
            if isinstance(wanted, int):
                raise RefusalError("wrong_expected_version", actual=None)
            raise RefusalError("stream_not_found")
        if stream.state == "tombstoned" or (stream.state == "deleted" and not op["tombstone"]):
            raise RefusalError(f"stream_{stream.state}")
        if wanted == "exists" and stream.state == "deleted":
            raise RefusalError("stream_deleted")
        allowed: tuple[Any, ...] = ("any", "exists", stream.last)
        if stream.state == "deleted":
            allowed += ("none",)
        if wanted not in allowed:
            raise RefusalError("wrong_expected_version", actual=stream.last)
        stream.state = "tombstoned" if op["tombstone"] else "deleted"
        stream.first = stream.last + 1
        for key in [key for key in store.snapshots if key[0] == op["stream"]]:
            del store.snapshots[key]
        return stream.info()

    def truncate(self, store: Store, op: Op) -> Answer:
        stream = store.usable(op["stream"])
        stream.first = max(stream.first, min(op["before"], stream.last + 1))
        return stream.info()

    def metadata(self, store: Store, op: Op) -> Answer:
        stream = store.usable(op["stream"])
        changes = op["changes"]
        if "max_count" in changes:
            stream.max_count = changes["max_count"]
            if stream.max_count is not None:
                stream.first = max(stream.first, stream.last + 1 - stream.max_count)
        if "custom" in changes:
            stream.custom = changes["custom"] or {}
        return stream.info()

    def scavenge(self, store: Store, op: Op) -> Answer:
        kept = [event for event in store.events if event[2] >= store.streams[event[1]].first]
        removed = len(store.events) - len(kept)
        store.events = kept
        return removed

    # -- snapshots

    def record_snapshot(self, store: Store, op: Op) -> Answer:
        stream = store.usable(op["stream"])
        if op["version"] > stream.last:
            raise RefusalError("request_error")
        key = (op["stream"], op["source"], op["version"])
        if store.snapshots.setdefault(key, op["data"]) != op["data"]:
            raise RefusalError("snapshot_conflict")
        return [op["source"], op["stream"], op["version"], op["data"]]

    def _snapshots(self, store: Store, op: Op) -> list[Answer]:
        return [
            [source, stream, version, data]
            for (stream, source, version), data in sorted(store.snapshots.items())
            if (stream, source) == (op["stream"], op["source"])
            and op.get("version") in (None, version)
        ]

    def read_snapshot(self, store: Store, op: Op) -> Answer:
        found = self._snapshots(store, op)
        if not found:
            raise RefusalError("snapshot_not_found")
        return found[-1]

    def list_snapshots(self, store: Store, op: Op) -> Answer:
        return [[b, a, v, data] for (a, b, v), data in sorted(store.snapshots.items())]

    def delete_snapshot(self, store: Store, op: Op) -> Answer:
        found = self._snapshots(store, op)
        if not found:
            raise RefusalError("snapshot_not_found")
        for source, stream, version, _ in found:
            del store.snapshots[stream, source, version]

    def load(self, store: Store, op: Op) -> Answer:
        found = self._snapshots(store, op) if op["source"] else []
        start = found[-1][2] + 1 if found else 0
        wanted = {"from_version": start, "missing_ok": True}
        read = self.read(store, {"stream": op["stream"], "range": wanted})
        return {"snapshot": found[-1] if found else None, **read}

    # -- stores

    def create_store(self, op: Op) -> Answer:
        name = op["store"]
        if name in self.stores and not op["exist_ok"]:
            raise RefusalError("store_already_exists")
        if name not in self.stores:
            self.made += 1
            self.stores[name] = Store(self.made)
        return name

    def remove_store(self, op: Op) -> Answer:
        if op["store"] not in self.stores:
            raise RefusalError("store_not_found")
        del self.stores[op["store"]]

    def list_stores(self, op: Op) -> Answer:
        return dict.fromkeys(sorted(self.stores), "running")


def told(answer: Answer, *, duplicate: bool) -> Answer:
    """The answer of an append, first or again."""
    _, results, _ = answer
    return {
        "results": [{**result, "duplicate": duplicate} for result in results],
        "duplicate": duplicate,
    }


def cut(events: list[Any], wanted: dict[str, Any]) -> list[Any]:
    found = events[::-1] if wanted.get("backwards") else events
    return found[: wanted.get("limit")]
