"""Persistent subscriptions: who was given which event, decided in the log and nowhere else.

A consumer claims events that it selected itself; only claims that are committed are handed out, so
a delivery that kills its consumer has been counted. With order "stream", an event waits while an
earlier one of its stream is owed.
"""

from typing import Any

import msgspec

from pyesdb.machine.refusals import refuse
from pyesdb.machine.transaction import Tx
from pyesdb.model import commands as c
from pyesdb.model.outcomes import Done, Refused

DUE, IN_FLIGHT, PARKED, WAITING = 0, 1, 2, 3


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a subscription, in the machine's units (us)."""

    max_retries: int = 10
    ack_timeout: int = 30_000_000
    window: int = 512
    order: str = "stream"
    on_poison: str = "park_stream"


class _Subscription:
    """A subscription's row with what can be done to its deliveries."""

    def __init__(self, tx: Tx, row: tuple[Any, ...]) -> None:
        self.tx = tx
        self.id: int = row[0]
        self.clauses: bytes = row[1]
        self.settings: bytes = row[2]
        self.cursor: int = row[3]
        self.rules = msgspec.msgpack.decode(self.settings, type=Rules)

    def put(
        self,
        position: int,
        stream: int,
        state: int,
        *,
        consumer: bytes = b"",
        due: int = 0,
        attempt: int = 0,
        reason: str = "",
    ) -> None:
        self.tx.run(
            "set_delivery", self.id, position, stream, state, consumer, due, attempt, reason
        )

    def in_flight(self) -> int:
        return self.tx.all("deliveries_in_flight", self.id)[0][0]

    def give(
        self, position: int, stream: int, attempt: int, reason: str, consumer: bytes
    ) -> list[Any]:
        """Hand an event out; the attempt counts from now on."""
        due = self.tx.now + self.rules.ack_timeout
        self.put(
            position,
            stream,
            IN_FLIGHT,
            consumer=consumer,
            due=due,
            attempt=attempt + 1,
            reason=reason,
        )
        return [position, attempt + 1, reason]

    def elsewhere(self, stream: int, consumer: bytes) -> bool:
        """Whether another consumer holds an event of the stream (parked ones that are replayed)."""
        if self.rules.order != "stream":
            return False
        return any(
            state == IN_FLIGHT and self.tx.all("delivery", self.id, position)[0][2] != consumer
            for position, state in self.tx.all("stream_deliveries", self.id, stream)
        )

    def blocked(self, stream: int, consumer: bytes) -> bool:
        """Whether a new event of the stream must wait behind an earlier one."""
        if self.rules.order != "stream":
            return False
        for position, state in self.tx.all("stream_deliveries", self.id, stream):
            if state == IN_FLIGHT:
                holder = self.tx.all("delivery", self.id, position)[0][2]
                if holder != consumer:
                    return True
            elif state != PARKED or self.rules.on_poison == "park_stream":
                return True
        return False

    def done(self, position: int, stream: int) -> None:
        """The event is not owed any more: the next of its stream may go."""
        self.tx.run("drop_delivery", self.id, position)
        self.unblock(stream)

    def unblock(self, stream: int) -> None:
        for position, state in self.tx.all("stream_deliveries", self.id, stream):
            if state == WAITING:
                self.put(position, stream, DUE)
                return
            if state != PARKED or self.rules.on_poison == "park_stream":
                return

    def again(self, position: int, stream: int, attempt: int, reason: str, delay: int) -> None:
        """Give an event back to be tried again, or park it when it was tried often enough."""
        if attempt > self.rules.max_retries:
            self.park(position, stream, attempt, reason)
            return
        self.put(position, stream, DUE, due=self.tx.now + delay, attempt=attempt, reason=reason)
        self.recall(position, stream)

    def park(self, position: int, stream: int, attempt: int, reason: str) -> None:
        self.put(position, stream, PARKED, due=self.tx.now, attempt=attempt, reason=reason)
        if self.rules.order == "stream" and self.rules.on_poison == "park_stream":
            self.recall(position, stream)
        else:
            self.unblock(stream)

    def recall(self, position: int, stream: int) -> None:
        """What follows in the stream waits, also what the same consumer holds already."""
        if self.rules.order != "stream":
            return
        for later, state in self.tx.all("stream_deliveries", self.id, stream):
            if later > position and state in (IN_FLIGHT, DUE):
                self.put(later, stream, WAITING)


def _find(tx: Tx, name: str) -> _Subscription | Refused:
    rows = tx.all("subscription", name)
    if rows:
        return _Subscription(tx, rows[0])
    return refuse("subscription_not_found", f"there is no subscription {name!r}")


def save(tx: Tx, command: c.SaveSubscription) -> Done | Refused:
    """Create a subscription; the same again changes nothing."""
    try:
        rules = msgspec.convert(command.settings, Rules)
    except msgspec.ValidationError as error:
        return refuse("invalid_config", f"settings of a subscription: {error}")
    clauses, settings = msgspec.msgpack.encode(command.clauses), msgspec.msgpack.encode(rules)
    found = _find(tx, command.name)
    if isinstance(found, Refused):
        tx.run("add_subscription", command.name, clauses, settings, command.after, tx.now)
        return Done()
    if (found.clauses, found.settings) == (clauses, settings):
        return Done()
    if not command.replace:
        return refuse(
            "subscription_already_exists",
            f"subscription {command.name!r} exists with another selector or other settings",
        )
    tx.run("set_subscription", clauses, settings, found.id)
    return Done()


def remove(tx: Tx, command: c.RemoveSubscription) -> Done | Refused:
    """Forget a subscription."""
    found = _find(tx, command.name)
    if isinstance(found, Refused):
        return found
    tx.run("drop_deliveries", found.id)
    tx.run("drop_subscription", found.id)
    return Done()


def reset(tx: Tx, command: c.ResetSubscription) -> Done | Refused:
    """Start again behind a position."""
    found = _find(tx, command.name)
    if isinstance(found, Refused):
        return found
    tx.run("drop_deliveries", found.id)
    tx.run("set_cursor", command.after, found.id)
    return Done()


def claim(tx: Tx, command: c.Claim) -> Done | Refused:
    """Due retries first, then new events; the answer is ([position, attempt, reason]..., cursor).

    New events are taken only if the consumer selected from where the cursor still is.
    """
    found = _find(tx, command.name)
    if isinstance(found, Refused):
        return found
    tx.flush()
    free = max(0, found.rules.window - found.in_flight())
    given: list[list[Any]] = []
    due = tx.all("due_deliveries", found.id, tx.now, found.rules.window)
    for position, stream, attempt, reason in due:
        if len(given) < free and not found.elsewhere(stream, command.consumer):
            given.append(found.give(position, stream, attempt, reason, command.consumer))
    if command.cursor == found.cursor:
        cursor = _take_new(found, command, free - len(given), given)
        tx.run("set_cursor", cursor, found.id)
        found.cursor = cursor
    return Done([given, found.cursor])


def _take_new(found: _Subscription, command: c.Claim, free: int, given: list[list[Any]]) -> int:
    cursor = command.cursor
    held = 0
    for position in command.positions:
        rows = found.tx.all("event_stream", position)
        if position <= cursor or position > command.scanned_to or not rows:
            continue
        stream = rows[0][0]
        if found.blocked(stream, command.consumer):
            held += 1
            if held > found.rules.window:
                return cursor
            found.put(position, stream, WAITING)
        elif free > 0:
            given.append(found.give(position, stream, 0, "", command.consumer))
            free -= 1
        else:
            return cursor
        cursor = position
    return max(cursor, min(command.scanned_to, found.tx.state.position))


def settle(tx: Tx, command: c.Settle) -> Done | Refused:
    """Take what a consumer says of events that it still holds; the answer is how many counted."""
    found = _find(tx, command.name)
    if isinstance(found, Refused):
        return found
    counted = 0
    for position in command.acks:
        held = _held(found, position, command.consumer)
        if held:
            found.done(position, held[0])
            counted += 1
    for nack in command.nacks:
        held = _held(found, nack.position, command.consumer)
        if held is None:
            continue
        counted += 1
        stream, attempt = held
        if nack.action == "skip":
            found.done(nack.position, stream)
        elif nack.action == "park":
            found.park(nack.position, stream, attempt, nack.reason)
        else:
            found.again(nack.position, stream, attempt, nack.reason, nack.due)
    return Done(counted)


def _held(found: _Subscription, position: int, consumer: bytes) -> tuple[int, int] | None:
    for stream, state, holder, attempt, _ in found.tx.all("delivery", found.id, position):
        if state == IN_FLIGHT and holder == consumer:
            return stream, attempt
    return None


def gone(tx: Tx, command: c.Gone) -> Done | Refused:
    """A consumer left: what it held is due at once; counted unless it left well."""
    found = _find(tx, command.name)
    if isinstance(found, Refused):
        return found
    rows = tx.all("deliveries_of_consumer", found.id, command.consumer)
    for position, stream, attempt in reversed(rows):
        if command.well:
            found.again(position, stream, attempt - 1, "", 0)
        else:
            found.again(position, stream, attempt, "the consumer was lost", 0)
    return Done(len(rows))


def tick(tx: Tx, command: c.Tick) -> Done | Refused:
    """Leases that have run out: the events are due again, and counted."""
    found = _find(tx, command.name)
    if isinstance(found, Refused):
        return found
    rows = tx.all("late_deliveries", found.id, tx.now)
    for position, stream, attempt in reversed(rows):
        found.again(position, stream, attempt, "not acknowledged in time", 0)
    return Done(len(rows))


def unpark(tx: Tx, command: c.Unpark) -> Done | Refused:
    """Try parked events again, from attempt 1, or drop them; the answer is how many."""
    found = _find(tx, command.name)
    if isinstance(found, Refused):
        return found
    count = 0
    for position, stream in tx.all("parked_deliveries", found.id):
        if command.positions is not None and position not in command.positions:
            continue
        count += 1
        if command.replay:
            found.put(position, stream, DUE)
        else:
            found.done(position, stream)
    return Done(count)
