"""Recorded outcomes: a command that arrives again gets its first answer and stores nothing.

A success binds the command's id for ever (of the window); a refusal binds only id and content, so a
caller may try the same id with other content, while a late copy still meets its refusal.
"""

from collections.abc import Sequence

from pyesdb.machine.refusals import refuse
from pyesdb.machine.transaction import Tx
from pyesdb.model.commands import Command
from pyesdb.model.outcomes import Appended, Outcome, Refused, decode_outcome, encode_outcome

Known = dict[bytes, list[tuple[bytes, bytes]]]
"""Command id -> (content digest, encoded outcome), as far as recorded."""

_PRUNE_EVERY = 1000
_PRUNE_ROWS = 2000


def load(tx: Tx, commands: Sequence[Command]) -> Known:
    """What is recorded of the ids of these commands, in one statement.

    Ids begin with their time, so a new one is as a rule larger than all that are recorded.
    """
    newest = tx.newest_record
    known: Known = {}
    for id_, digest, outcome in tx.find("records", [c.id for c in commands if c.id <= newest]):
        known.setdefault(id_, []).append((digest, outcome))
    return known


def recall(known: Known, command: Command) -> Outcome | None:
    """The recorded outcome of a command, or None if it is new."""
    rows = known.get(command.id)
    if not rows:
        return None
    refused: Outcome | None = None
    for digest, encoded in rows:
        outcome = decode_outcome(encoded)
        if not isinstance(outcome, Refused):
            if digest != command.digest:
                return refuse(
                    "command_mismatch",
                    "this command id already succeeded with other content: use a new id "
                    "(an event that is made anew has a new id: repeat with the same NewEvents, "
                    "or give them ids)",
                )
            if isinstance(outcome, Appended):
                return Appended(outcome.results, outcome.many, duplicate=True)
            return outcome
        if digest == command.digest:
            refused = outcome
    return refused


def add(tx: Tx, known: Known, command: Command, outcome: Outcome) -> bytes:
    """Record the outcome of a new command; returns it encoded."""
    encoded = encode_outcome(outcome)
    id_ = command.id
    tx.new_records += (id_, command.digest, tx.now, encoded)
    if id_ > tx.newest_record:
        tx.newest_record = id_
    if id_ in known:
        known[id_].append((command.digest, encoded))
    else:
        known[id_] = [(command.digest, encoded)]
    return encoded


def prune(tx: Tx, before: int) -> None:
    """Every 1000 commands: examine the next 2000 records in order of id, drop the old ones."""
    if before // _PRUNE_EVERY == tx.state.commands // _PRUNE_EVERY:
        return
    cursor = tx.meta.get("prune_after", b"")
    rows = tx.all("next_records", cursor, _PRUNE_ROWS)
    oldest = tx.now - tx.settings.dedup_window
    for id_, digest, time in rows:
        if time < oldest:
            tx.run("drop_record", id_, digest)
    cursor = rows[-1][0] if len(rows) == _PRUNE_ROWS else b""
    tx.run("set_meta", "prune_after", cursor)
    tx.meta["prune_after"] = cursor
