"""One operation, as JSON, performed on a real database; its answer as JSON.

The same operations are performed on the model (tests/property/model.py), here and in a child
process (tests/property/child.py); the answers must be equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pyesdb
from pyesdb import Append, AppendCondition, NewEvent, Selector, StreamState, select
from pyesdb.model.results import Snapshot

Op = dict[str, Any]
EXPECTED = {"any": StreamState.ANY, "none": StreamState.NO_STREAM, "exists": StreamState.EXISTS}


def expected(value: Any) -> Any:
    return EXPECTED.get(value, value) if isinstance(value, str) else value


def selector(wanted: dict[str, list[str]]) -> Selector:
    found = select.everything
    if "types" in wanted:
        found &= select.event_type(*wanted["types"])
    if "tags" in wanted:
        found &= select.tags(*wanted["tags"])
    if "stream" in wanted:
        found &= select.stream(wanted["stream"][0])
    return found


def new_events(drawn: list[Any]) -> list[NewEvent]:
    return [NewEvent(kind, {"n": id_}, tags=tags, id=UUID(int=id_)) for id_, kind, tags in drawn]


def number(version: Any) -> Any:
    return None if version is StreamState.NO_STREAM else version


def told(event: Any) -> list[Any]:
    """What is compared of an event."""
    assert event.json() == {"n": event.id.int}
    return [event.position, event.stream, event.version, event.type, event.id.int, list(event.tags)]


def appended(result: Any) -> dict[str, Any]:
    names = ("stream", "version", "position", "first_version", "first_position", "count")
    return {**{name: getattr(result, name) for name in names}, "duplicate": result.duplicate}


def many(result: Any) -> dict[str, Any]:
    return {"results": [appended(one) for one in result.results], "duplicate": result.duplicate}


def snapshot(found: Snapshot | None) -> Any:
    return found and [found.source, found.stream, found.version, found.json()]


class Performer:
    """A database of this process, reopened when an operation says so."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, Any] = {}
        self._open()

    def _open(self) -> None:
        self.database = pyesdb.open(self._path, durability="os")

    def perform(self, op: Op) -> Any:
        """The answer of an operation; an error is its code and what a program reads of it."""
        try:
            return getattr(self, op["op"])(op)
        except pyesdb.WrongExpectedVersion as error:
            return {"error": error.code, "actual": number(error.actual)}
        except pyesdb.TrackingConflict as error:
            return {"error": error.code, "recorded": error.recorded}
        except pyesdb.PyesdbError as error:
            return {"error": error.code if error.code != "internal" else repr(error)}

    def close(self) -> None:
        self.database.close()

    def _store(self, op: Op) -> Any:
        """A new handle, or one that is kept, and so bound to what it met first."""
        if not op.get("kept"):
            return self.database.store(op["store"])
        return self._kept.setdefault(op["store"], self.database.store(op["store"]))

    # -- appending

    def _more(self, op: Op) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if op["condition"]:
            wanted, after = op["condition"]
            more["condition"] = AppendCondition(selector(wanted), after=after)
        if op["tracking"]:
            more["tracking"] = tuple(op["tracking"])
        if op["command"]:
            more["command_id"] = UUID(int=op["command"])
        return more

    def append(self, op: Op) -> Any:
        ((stream, wanted, drawn),) = op["parts"]
        store = self._store(op)
        return appended(
            store.append(stream, new_events(drawn), expected=expected(wanted), **self._more(op))
        )

    def append_many(self, op: Op) -> Any:
        parts = [
            Append(stream, new_events(drawn), expected=expected(wanted))
            for stream, wanted, drawn in op["parts"]
        ]
        return many(self._store(op).append_many(parts, **self._more(op)))

    def outcome(self, op: Op) -> Any:
        found = self._store(op).outcome(UUID(int=op["command"]))
        if found is None or found == "not applied":
            return found
        return many(found) if isinstance(found, pyesdb.AppendManyResult) else appended(found)

    def tracked(self, op: Op) -> Any:
        return self._store(op).tracked(op["source"])

    # -- reading

    def read(self, op: Op) -> Any:
        with self._store(op).read(op["stream"], **op["range"]) as events:
            found = [told(event) for event in events]
            return {"events": found, "version": number(events.version)}

    def read_all(self, op: Op) -> Any:
        chosen = None if op["select"] is None else selector(op["select"])
        with self._store(op).read_all(select=chosen, **op["range"]) as events:
            found = list(events)
        created = [event.created for event in found]
        assert created == sorted(created, reverse=op["range"].get("backwards", False))
        return [told(event) for event in found]

    def head(self, op: Op) -> Any:
        with self._store(op).read_all() as events:
            return events.head

    def version(self, op: Op) -> Any:
        store = self._store(op)
        found = store.version(op["stream"])
        assert store.exists(op["stream"]) == (found is not StreamState.NO_STREAM)
        return number(found)

    def streams(self, op: Op) -> Any:
        return list(self._store(op).streams(prefix=op["prefix"], limit=op["limit"]))

    def stream_info(self, op: Op) -> Any:
        return self._info(self._store(op).stream_info(op["stream"]))

    def _info(self, found: Any) -> Any:
        return [found.version, found.first_version, found.count, found.state, found.max_count,
                dict(found.custom)]  # fmt: skip

    # -- deleting, retention

    def delete(self, op: Op) -> Any:
        store = self._store(op)
        call = store.tombstone_stream if op["tombstone"] else store.delete_stream
        return self._info(call(op["stream"], expected=expected(op["expected"])))

    def truncate(self, op: Op) -> Any:
        return self._info(
            self._store(op).truncate_stream(op["stream"], before_version=op["before"])
        )

    def metadata(self, op: Op) -> Any:
        return self._info(self._store(op).set_stream_metadata(op["stream"], **op["changes"]))

    def scavenge(self, op: Op) -> Any:
        return self._store(op).scavenge().events

    # -- snapshots

    def record_snapshot(self, op: Op) -> Any:
        return snapshot(
            self._store(op).record_snapshot(op["source"], op["stream"], op["version"], op["data"])
        )

    def read_snapshot(self, op: Op) -> Any:
        return snapshot(self._store(op).read_snapshot(op["source"], op["stream"], op["version"]))

    def list_snapshots(self, op: Op) -> Any:
        return [snapshot(found) for found in self._store(op).list_snapshots()]

    def delete_snapshot(self, op: Op) -> Any:
        return self._store(op).delete_snapshot(op["source"], op["stream"], op["version"])

    def load(self, op: Op) -> Any:
        found = self._store(op).load(op["stream"], source=op["source"])
        events = [told(event) for event in found.events]
        return {"snapshot": snapshot(found.snapshot), "events": events,
                "version": number(found.version)}  # fmt: skip

    # -- stores

    def create_store(self, op: Op) -> Any:
        return self.database.create_store(op["store"], exist_ok=op["exist_ok"]).id

    def remove_store(self, op: Op) -> Any:
        return self.database.remove_store(op["store"], purge=op["purge"])

    def list_stores(self, op: Op) -> Any:
        return {name: str(info.status) for name, info in self.database.list_stores().items()}

    def reopen(self, op: Op) -> Any:
        self.database.close()
        self._kept = {}
        self._open()
