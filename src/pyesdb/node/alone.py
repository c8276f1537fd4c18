"""Entries into the file of a store that nobody else uses: one being made, or on its way.

What must never happen here: a file that is in use (the caller holds the store's lock file, or the
file is not in its place).
"""

from pathlib import Path

from pyesdb.log.local import LocalLog
from pyesdb.model.commands import Command, Configure, Entry, Freeze, Seal, with_digest
from pyesdb.model.errors import PyesdbError
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.outcomes import Outcome, Refused
from pyesdb.sqlite import files
from pyesdb.sqlite.cipher import Keys
from pyesdb.store.applier import Applier, Control
from pyesdb.telemetry.clock import now_us


def configured(control: Control) -> list[Command]:
    """The entry in front of a new store: what its machine must know (it may be frozen by now)."""
    known = with_digest(Configure, uuid7_bytes(), control.revision, control.settings)
    return [known, with_digest(Freeze, uuid7_bytes(), frozen=True)] if control.frozen else [known]


def commit(applier: Applier, commands: list[Command]) -> None:
    """One entry into a file that nobody else uses."""
    log = LocalLog(applier, None, now_us)
    log.start(applier.deliver)
    log.propose(commands)


def seal(*, sealed: bool) -> list[Command]:
    """Nothing but this may change a sealed file."""
    return [with_digest(Seal, uuid7_bytes(), sealed=sealed)]


def commit_into(
    path: Path, commands: list[Command], keys: Keys | None, *, durability: str = "fsync"
) -> None:
    """The same, durable, into a file that is not open; `durability` is that of its log."""
    applier = Applier(path, "fsync", nobody_waits, keys=keys)
    applier.synced = durability == "fsync"
    try:
        commit(applier, commands)
    finally:
        applier.close()


def refusals(outcomes: list[Outcome]) -> list[Refused]:
    """What of an entry was refused."""
    return [outcome for outcome in outcomes if isinstance(outcome, Refused)]


def nobody_waits(entry: Entry, outcomes: list[Outcome]) -> None:
    """What is committed here has no caller."""


def incarnation_of(path: Path, keys: Keys | None = None, database: str | None = None) -> int | None:
    """The incarnation in a store file; None if there is no readable one (of this database)."""
    try:
        reader = files.open_reader(path, keys=keys)
    except PyesdbError:
        return None
    try:
        identity = files.identity_of(reader)
    except files.FAILURES:
        return None
    finally:
        reader.close()
    found = identity.get("incarnation")
    mine = database in (None, identity.get("database"))
    return found if mine and isinstance(found, int) else None
