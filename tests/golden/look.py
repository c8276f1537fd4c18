"""Everything that the public surface says of a database, as JSON; and how its log goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pyesdb
from pyesdb import StreamState, select
from pyesdb.model import commands as c
from pyesdb.model.versions import ANY
from pyesdb.store.applier import Applier

HERE = Path(__file__).parent
STREAMS = ("order-1", "order-2", "order-3", "gone", "never-again", "log", "$events", "never")


def event(found: pyesdb.RecordedEvent) -> list[Any]:
    return [
        found.position, found.stream, found.version, str(found.id), found.type,
        found.data.hex(), dict(found.metadata), list(found.tags), found.content_type,
        found.created.isoformat(), found.time.isoformat(), str(found.cursor),
    ]  # fmt: skip


def info(found: pyesdb.StreamInfo) -> list[Any]:
    return [
        found.version, found.first_version, found.state, found.count, found.created.isoformat(),
        found.updated.isoformat(), found.max_age and found.max_age.total_seconds(),
        found.max_count, dict(found.custom),
    ]  # fmt: skip


def stream(store: pyesdb.Store, name: str) -> Any:
    try:
        found = info(store.stream_info(name))
        return [*found, [event(e) for e in store.read(name)]]
    except pyesdb.NotFound as error:
        return error.code


def number(version: Any) -> int:
    return -1 if version is StreamState.NO_STREAM else version


def one(store: pyesdb.Store) -> dict[str, Any]:
    """All of one store."""
    with store.read_all(system=True) as events:
        everything = [event(e) for e in events]
        head = events.head
    outcome = store.outcome(UUID(int=1000))
    return {
        "head": head,
        "events": everything,
        "streams": {name: stream(store, name) for name in STREAMS},
        "versions": {name: number(store.version(name)) for name in STREAMS},
        "names": list(store.streams(system=True)),
        "by tag": [e.position for e in store.read_all(select=select.tags("customer-1"))],
        "by type": [e.position for e in store.read_all(select=select.event_type("Placed", "L"))],
        "tracked": store.tracked("feed"),
        "outcome": isinstance(outcome, pyesdb.AppendManyResult)
        and [[r.stream, r.version, r.position, r.count] for r in outcome.results],
        "refused": store.outcome(UUID(int=1001)),
        "snapshots": [
            [s.source, s.stream, s.version, s.data.hex(), dict(s.metadata), s.created.isoformat()]
            for s in store.list_snapshots()
        ],
    }


def look(base: Path) -> dict[str, Any]:
    """All of a database."""
    with pyesdb.open(base) as db:
        stores = {name: str(found.status) for name, found in db.list_stores().items()}
        config = db.get_store_config("created")
        return {
            "stores": stores,
            "content": {name: one(db.store(name)) for name in stores},
            "incarnations": {name: i.incarnation for name, i in db.list_stores().items()},
            "config": [config.description, list(config.tags), config.max_append_events,
                       config.timeout, config.origin("timeout"), config.origin("tags")],
            "audit": [[e.type, e.stream, dict(e.metadata)] for e in db.audit()],
        }  # fmt: skip


def continued(base: Path) -> dict[str, Any]:
    """The chain before and behind an entry that is the same for ever, applied to each store."""
    found: dict[str, Any] = {}
    for path in sorted((base / "stores").glob("*/store.db")):
        outcomes: list[Any] = []
        applier = Applier(path, "os", lambda _, answers, to=outcomes: to.extend(answers))
        seq, clock = applier.begin()
        assert applier._tx is not None
        before = applier._tx.state.chain.hex()
        applier.deliver([entry(seq, clock)])
        after = applier._tx.state.chain.hex()
        applier.close()
        found[path.parent.name] = [seq, before, after, [repr(outcome) for outcome in outcomes]]
    return found


def entry(seq: int, clock: int) -> c.Entry:
    """Commands that meet what is in the file: known names, an old repeat, hidden events."""
    record = ("Placed", (777).to_bytes(16), None, None, b"{}", b"", ("customer-1", "new"))
    expires = clock + 1
    commands: list[c.Command] = []
    for index, made in enumerate(
        (
            lambda id_: c.append_events(id_, [c.stream_append("order-1", 3, [record])]),
            lambda id_: c.append_events(id_, [c.stream_append("never-again", ANY, [record])]),
            lambda id_: c.append_events(id_, [c.stream_append("gone", 2, [record])]),
            lambda id_: c.append_events(
                id_, [c.stream_append("new", ANY, [record])], tracking=("feed", 17)
            ),
            lambda id_: c.with_digest(c.Scavenge, id_, 0, 100),
            lambda id_: c.with_digest(c.DeleteStream, id_, "order-2", ANY),
        )
    ):
        command = made((5000 + index).to_bytes(16))
        fields = {name: getattr(command, name) for name in command.__struct_fields__}
        commands.append(type(command)(**{**fields, "expires": expires}))
    return c.Entry(seq + 1, clock + 1, commands)
