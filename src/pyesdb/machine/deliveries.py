"""What subscriptions owe: who was given which event, decided in the log and nowhere else.

A consumer claims events that it selected itself; only claims that are committed are handed out, so
a delivery that kills its consumer has been counted. With order "stream" an event is given only to
the one consumer that holds earlier ones of its stream, and never past one that waits.

An event whose consumer was lost comes back alone: so the one that kills is the one that is counted.

What must never happen here: an event behind the cursor that is neither acknowledged nor a row here;
work that grows with what is parked or waits.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from pyesdb.machine.refusals import over_limit, refuse
from pyesdb.machine.subscriptions import (
    DUE,
    IN_FLIGHT,
    PARKED,
    WAITING,
    Subscription,
    named,
    numbered,
)
from pyesdb.machine.transaction import Tx
from pyesdb.model import commands as c
from pyesdb.model import limits
from pyesdb.model.outcomes import Done, Refused

LOST = "the consumer was lost"
LATE = "not acknowledged in time"
NOBODY = b""
_COLUMNS = 8
_SEVERAL = b"several"


class Desk:
    """One command at the deliveries of a subscription. `held`: what is in flight, by position."""

    def __init__(self, found: Subscription) -> None:
        self.found = found
        self.tx: Tx = found.tx
        self.rules = found.kept
        self.held: dict[int, tuple[int, bytes, int]] = {
            position: (stream, consumer, attempt)
            for position, stream, consumer, attempt in self.tx.all("deliveries_in_flight", found.id)
        }

    def many(self, name: str, positions: list[int], *first: Any) -> None:
        """Run a statement for many positions of this subscription."""
        if positions:
            self.tx.find(name, positions, *first, self.found.id)

    @property
    def queued(self) -> int:
        """The state of what shall be tried again, before its stream is looked at."""
        return WAITING if self.rules.in_order else DUE

    def set_heads(self, streams: Iterable[int]) -> None:
        """Of each stream the first that is queued may go."""
        if self.rules.in_order:
            for stream in sorted(set(streams)):
                self.found.set_head(stream)

    # -- giving back

    def settle(self, consumer: bytes, acks: tuple[int, ...], nacks: tuple[c.Nack, ...]) -> int:
        """Take what a consumer says of events that it holds; how many of them it did hold."""
        mine = [p for p in acks if p in self.held and self.held[p][1] == consumer]
        if mine:
            self.tx.find("drop_owed", mine, self.found.id)
        for position in mine:
            self.held.pop(position, None)
        counted = len(set(mine))
        streams: list[int] = []
        for nack in sorted(nacks, key=lambda nack: -nack.position):  # none recalls another
            kept = self.held.get(nack.position)
            if kept is None or kept[1] != consumer:
                continue
            del self.held[nack.position]
            counted += 1
            streams.append(kept[0])
            self._nack(nack, kept)
        self.set_heads(streams)
        return counted

    def _nack(self, nack: c.Nack, kept: tuple[int, bytes, int]) -> None:
        stream, _, attempt = kept
        if nack.action == "skip":
            self.tx.find("drop_owed", [nack.position], self.found.id)
            return
        if nack.action == "return":
            self.tx.find("give_back", [nack.position], self.queued, self.found.id)
        elif nack.action == "park" or attempt > self.rules.max_retries:
            self._park(nack.position, nack.reason)
            if not self.rules.parks_streams:
                return
        else:
            due = self.tx.now + nack.due
            row = self.queued, due, nack.reason, self.found.id, nack.position
            self.tx.run("set_delivery", *row)
        self.recall({stream: nack.position})

    def _park(self, position: int, reason: str) -> None:
        self.tx.run("set_delivery", PARKED, self.tx.now, reason, self.found.id, position)

    def recall(self, firsts: dict[int, int]) -> None:
        """What is held of a stream behind a position waits again; nothing is counted."""
        if not self.rules.in_order:
            return
        taken = [
            position
            for position, (stream, _, _) in self.held.items()
            if position > firsts.get(stream, position)
        ]
        self.many("give_back", taken, WAITING)
        for position in taken:
            del self.held[position]

    def give_up(self, rows: list[tuple[int, int, int]], reason: str | None, *, alone: bool) -> None:
        """Events of a consumer that left; with a reason it was lost, and the attempt counts.

        Who was lost with several in hand may not have seen them all: these are not parked before
        they were tried once more, alone.
        """
        if reason is None:
            self.many("give_back", [row[0] for row in rows], self.queued)
        else:
            most = self.rules.max_retries + (not alone)
            poison = [position for position, _, attempt in rows if attempt > most]
            again = [position for position, _, attempt in rows if attempt <= most]
            self.many("give_up_lost", again, self.queued, reason)
            for position in poison:
                self._park(position, reason)
        firsts: dict[int, int] = {}
        for position, stream, _ in rows:
            self.held.pop(position, None)
            firsts[stream] = min(position, firsts.get(stream, position))
        self.recall(firsts)
        self.set_heads(firsts)


class Giving(Desk):
    """A claim: due ones first, then new ones."""

    def __init__(self, found: Subscription, command: c.Claim) -> None:
        super().__init__(found)
        self.command = command
        self.consumer = command.consumer
        self.counted = self.settle(command.consumer, command.acks, command.nacks)
        self.free = max(0, min(self.rules.window - len(self.held), command.limit))
        self.holders: dict[int, bytes] = {}
        for stream, consumer, _ in self.held.values() if self.rules.in_order else ():
            if self.holders.setdefault(stream, consumer) != consumer:
                self.holders[stream] = _SEVERAL
        self.again: list[list[Any]] = []
        self.alone = False
        """Whether the next that is due comes alone, and the consumer holds something."""

    def may_have(self, stream: int) -> bool:
        """Whether nobody else holds events of a stream."""
        return self.holders.get(stream, self.consumer) == self.consumer

    def due(self) -> bool:
        """Give what is due; whether new ones may be given, too."""
        most = self.free + len(self.held)
        rows = self.tx.all("due_deliveries", self.found.id, self.tx.now, most)
        rows = [row for row in rows if self.may_have(row[1])]
        lost = [row for row in rows if row[4] != NOBODY]
        if lost and not self.command.together:
            if any(consumer == self.consumer for _, consumer, _ in self.held.values()):
                self.alone = True
            else:
                self._give([min(lost)])
            return False
        self._give(rows)
        return True

    def _give(self, rows: list[tuple[Any, ...]]) -> None:
        """Hand queued events out again; the attempts count from now on."""
        rows = rows[: self.free]
        self._give_rows(rows)
        if self.rules.in_order:
            alone = rows[0][4] != NOBODY if rows else False
            for row in rows:
                self.holders[row[1]] = self.consumer
                if not alone or self.command.together:
                    self._go_on(row[1])
            self.set_heads(row[1] for row in rows)

    def _give_rows(self, rows: list[tuple[Any, ...]]) -> None:
        lease = self.tx.now + self.rules.ack_timeout
        self.many("give_again", [row[0] for row in rows], self.consumer, lease)
        self.again += [[position, attempt + 1, reason] for position, _, attempt, reason, *_ in rows]
        self.free -= len(rows)

    def _go_on(self, stream: int) -> None:
        """What waits behind the event that was just given, as far as nothing bars it."""
        if not self.free:
            return
        parked = None
        if self.rules.parks_streams:
            parked = self.tx.all("stream_queue", self.found.id, stream)[0][1]
        run: list[tuple[Any, ...]] = []
        for row in self.tx.all("waiting_run", self.found.id, stream, self.free):
            position, _, _, _, lost, due = row
            barred = parked is not None and position > parked
            if barred or (lost != NOBODY and not self.command.together) or due > self.tx.now:
                break
            run.append(row)
        self._give_rows(run)

    def new(self) -> tuple[int, list[int]]:
        """Give new events: how many of those that were selected are taken, which wait."""
        command, id_ = self.command, self.found.id
        positions = [p for p in command.positions if self.found.cursor < p <= command.scanned_to]
        streams: dict[int, int] = dict(self.tx.find("event_streams", positions))  # type: ignore[arg-type]
        behind: set[int] = set()
        if self.rules.in_order:
            name = "streams_behind" if self.rules.parks_streams else "streams_queued"
            wanted = sorted(set(streams.values()))
            behind = {row[0] for row in self.tx.find(name, wanted, id_)}
        lease = self.tx.now + self.rules.ack_timeout
        rows: list[Any] = []
        waiting: list[int] = []
        taken = 0
        for position in command.positions:
            stream = streams.get(position)
            if stream is None:  # behind the cursor, or reclaimed
                waiting.append(position)
            elif stream in behind:
                rows += (id_, position, stream, WAITING, NOBODY, 0, 0, "")
                waiting.append(position)
            elif not self.may_have(stream):
                rows += (id_, position, stream, DUE, NOBODY, 0, 0, "")
                waiting.append(position)
                behind.add(stream)
            elif self.free:
                rows += (id_, position, stream, IN_FLIGHT, self.consumer, lease, 1, "")
                self.free -= 1
            else:
                break
            taken += 1
        if rows:
            self.tx.insert("add_deliveries", _COLUMNS, rows)
        return taken, waiting

    def cursor(self, taken: int) -> int:
        """How far the cursor moves when so many were taken."""
        command = self.command
        reached = command.scanned_to
        if taken < len(command.positions):
            reached = min(reached, command.positions[taken - 1]) if taken else 0
        return max(self.found.cursor, min(reached, self.tx.state.position))


def claim(tx: Tx, command: c.Claim) -> Done | Refused:
    """Settle what the consumer says, and give it events: what is due, then new ones.

    New events are taken only if it selected from where the cursor still is. The answer: epoch,
    cursor, how many settled, [position, attempt, reason] of what is given again, how many of the
    selected positions are taken, those of them that are not given, whether what is due comes alone.
    """
    positions = command.positions
    if refusal := _too_many(positions):
        return refusal
    if any(later <= earlier for earlier, later in pairwise(positions)):
        return refuse("invalid_config", "positions of a claim must grow")
    found = numbered(tx, command.subscription)
    if isinstance(found, Refused):
        return found
    epoch = found.kept.epoch
    if command.epoch != epoch:
        return Done([epoch, found.cursor, 0, [], 0, [], False])
    tx.flush()
    giving = Giving(found, command)
    taken, waiting = 0, list[int]()
    cursor = found.cursor
    if giving.due() and command.cursor == cursor:
        taken, waiting = giving.new()
        cursor = giving.cursor(taken)
        if cursor != found.cursor:
            tx.run("set_cursor", cursor, found.id)
    again = sorted(giving.again)
    return Done([epoch, cursor, giving.counted, again, taken, waiting, giving.alone])


def _too_many(positions: tuple[int, ...]) -> Refused | None:
    limit = limits.CLAIM_EVENTS_MAX
    if len(positions) <= limit:
        return None
    return over_limit(
        "events of one claim", "claim_events", limit, len(positions), "name fewer at once"
    )


def settle(tx: Tx, command: c.Settle) -> Done | Refused:
    """Take what a consumer says of events that it still holds; the answer is how many counted."""
    found = numbered(tx, command.subscription)
    if isinstance(found, Refused):
        return found
    if command.epoch != found.kept.epoch:
        return Done(0)
    if not command.nacks:
        dropped = tx.find("drop_acked", command.acks, found.id, command.consumer)
        return Done(len(dropped))
    return Done(Desk(found).settle(command.consumer, command.acks, command.nacks))


def gone(tx: Tx, command: c.Gone) -> Done | Refused:
    """A consumer left: what it held is due at once; counted unless it left well."""
    found = numbered(tx, command.subscription)
    if isinstance(found, Refused):
        return found
    desk = Desk(found)
    rows = [
        (position, stream, attempt)
        for position, (stream, consumer, attempt) in desk.held.items()
        if consumer == command.consumer
    ]
    desk.give_up(rows, None if command.well else LOST, alone=len(rows) == 1)
    return Done(len(rows))


def tick(tx: Tx, command: c.Tick) -> Done | Refused:
    """Leases that have run out: the events are due again, and counted."""
    found = numbered(tx, command.subscription)
    if isinstance(found, Refused):
        return found
    late = tx.all("late_deliveries", found.id, tx.now)
    if late:
        desk = Desk(found)
        holding: dict[bytes, int] = {}
        for _, consumer, _ in desk.held.values():
            holding[consumer] = holding.get(consumer, 0) + 1
        for alone in (True, False):
            rows = [
                (position, stream, attempt)
                for position, stream, consumer, attempt in late
                if (holding[consumer] == 1) is alone and position in desk.held
            ]
            desk.give_up(rows, LATE, alone=alone)
    return Done(len(late))


def unpark(tx: Tx, command: c.Unpark) -> Done | Refused:
    """Try parked events again, from attempt 1, or drop them.

    The answer: how many, and the position to go on behind, or None at the end.
    """
    found = named(tx, command.name)
    if isinstance(found, Refused):
        return found
    if command.positions is None:
        most = min(command.limit, limits.CLAIM_EVENTS_MAX)
        rows = tx.all("parked_deliveries", found.id, command.after, most)
        following = rows[-1][0] if len(rows) == most else None
    else:
        if refusal := _too_many(command.positions):
            return refusal
        rows, following = tx.find("parked_at", command.positions, found.id), None
    desk = Desk(found)
    positions = [row[0] for row in rows]
    if command.replay:
        desk.many("replay_deliveries", positions, desk.queued)
    else:
        desk.many("drop_owed", positions)
    desk.set_heads(row[1] for row in rows)
    return Done([len(rows), following])
