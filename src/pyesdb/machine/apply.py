"""`apply`: one entry of the log, command by command. The only place where commands are matched.

What must never happen here: a refusal that leaves something behind, or an outcome that depends on
anything but the file and the entry.
"""

from collections.abc import Sequence
from typing import assert_never

from pyesdb.machine import (
    control,
    deliveries,
    records,
    scavenge,
    snapshots,
    streams,
    subscriptions,
)
from pyesdb.machine.append import append
from pyesdb.machine.refusals import refuse
from pyesdb.machine.state import chained
from pyesdb.machine.transaction import Tx
from pyesdb.model import commands as c
from pyesdb.model.outcomes import Done, Outcome, encode_outcome

_CONTROL = (c.Configure, c.Freeze, c.Seal, c.RaiseMachine, c.Barrier)


def apply(tx: Tx, entry: c.Entry) -> list[Outcome]:
    """Apply an entry inside the open transaction of `tx`; the caller commits and publishes.

    `entry.seq` must follow the last one. The outcomes stand in the order of the commands.
    """
    tx.begin(entry.seq, entry.time)
    prefetch(tx, entry.commands)
    known = records.load(tx, entry.commands)
    outcomes: list[Outcome] = []
    parts: list[bytes] = []
    for command in entry.commands:
        outcome = records.recall(known, command) if command.id in known else None
        if outcome is None:
            outcome, encoded = _fresh(tx, command, known)
        else:
            encoded = encode_outcome(outcome)
        outcomes.append(outcome)
        parts += (command.id, command.digest, encoded)
    before = tx.state.commands
    tx.state.commands += len(entry.commands)
    records.prune(tx, before)
    tx.state.chain = chained(tx.state.chain, entry.seq, tx.now, parts)
    tx.finish()
    return outcomes


def _fresh(tx: Tx, command: c.Command, known: records.Known) -> tuple[Outcome, bytes]:
    if tx.now > command.expires:
        expired = refuse(
            "deadline_exceeded",
            "the command arrived more than 120 s after it was made: nothing was stored, call again",
        )
        return expired, encode_outcome(expired)
    outcome = _blocked(tx, command) if tx.sealed or tx.frozen else None
    if outcome is None:
        outcome = decide(tx, command)
    return outcome, records.add(tx, known, command, outcome)


def _blocked(tx: Tx, command: c.Command) -> Outcome | None:
    if tx.sealed and not isinstance(command, c.Seal):
        return refuse("store_removed", "the store was removed")
    if tx.frozen and not isinstance(command, _CONTROL):
        return refuse(
            "store_frozen", "the store is frozen: it answers reads only; thaw_store() first"
        )
    return None


def decide(tx: Tx, command: c.Command) -> Outcome:  # noqa: C901, PLR0911, PLR0912 (one closed match)
    """The outcome of a command that was not seen before; a refusal has written nothing."""
    match command:
        case c.AppendEvents():
            return append(tx, command)
        case c.DeleteStream():
            return streams.delete(tx, command)
        case c.TruncateStream():
            return streams.truncate(tx, command)
        case c.SetStreamMetadata():
            return streams.set_metadata(tx, command)
        case c.Expire():
            return streams.expire(tx, command)
        case c.Scavenge():
            return scavenge.step(tx, command)
        case c.RecordSnapshot():
            return snapshots.record(tx, command)
        case c.DeleteSnapshot():
            return snapshots.delete(tx, command)
        case c.Configure():
            return control.configure(tx, command)
        case c.Freeze():
            tx.set_meta("frozen", int(command.frozen))
            return Done()
        case c.Seal():
            tx.set_meta("sealed", int(command.sealed))
            return Done()
        case c.RaiseMachine():
            return control.raise_machine(tx, command)
        case c.Barrier():
            return Done()
        case c.SaveSubscription():
            return subscriptions.save(tx, command)
        case c.UpdateSubscription():
            return subscriptions.update(tx, command)
        case c.RemoveSubscription():
            return subscriptions.remove(tx, command)
        case c.ResetSubscription():
            return subscriptions.reset(tx, command)
        case c.Claim():
            return deliveries.claim(tx, command)
        case c.Settle():
            return deliveries.settle(tx, command)
        case c.Gone():
            return deliveries.gone(tx, command)
        case c.Tick():
            return deliveries.tick(tx, command)
        case c.Unpark():
            return deliveries.unpark(tx, command)
        case _:
            assert_never(command)


def prefetch(tx: Tx, commands: Sequence[c.Command]) -> None:
    """Read the rows of all streams, types and tags of an entry, in one statement each."""
    names: dict[str, None] = {}
    types: set[str] = set()
    tags: set[str] = set()
    for command in commands:
        if isinstance(command, c.AppendEvents):
            for part in command.appends:
                if part.stream not in tx.streams:
                    names[part.stream] = None
                for event in part.events:
                    types.add(event[0])
                    if event[6]:
                        tags.update(event[6])
            for clause in command.condition.clauses if command.condition else ():
                types.update(clause.types or ())
                tags.update(clause.tags)
                names.update(dict.fromkeys(clause.streams or ()))
        elif isinstance(
            command,
            (c.DeleteStream, c.TruncateStream, c.SetStreamMetadata, c.RecordSnapshot),
        ):
            names[command.stream] = None
    if names:
        tx.load_streams(names)
    if not types <= tx.types.keys():
        tx.load_types(types)
    if tags:
        tx.load_tags(tags)
