"""What one consumer holds, and what it has to say of it. Safe from any thread; nothing here waits.

Events of a page are `ready` until somebody takes them, then `held` by him until they are settled.
An event of a stream is not given to one while another holds an earlier one of it.

What must never happen here: an event handed out twice, or after it was acknowledged; a word of a
user that gets lost before it is stored; an event handed out whose lease has half run out.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from math import inf
from typing import NamedTuple

from pyesdb.machine.subscriptions import Kept
from pyesdb.model.commands import Nack
from pyesdb.model.errors import RequestError
from pyesdb.model.limits import CLAIM_EVENTS_MAX, REASON_CHARACTERS_MAX
from pyesdb.model.subscriptions import DeliveredEvent, Lease
from pyesdb.telemetry.clock import now_us

Owner = object
"""A thread or a task."""

_LATE_MAX = 20_000


class Said(NamedTuple):
    """Acknowledgements and refusals on their way into the log, their epoch, and their number."""

    acks: tuple[int, ...]
    nacks: tuple[Nack, ...]
    epoch: int
    number: int

    def __len__(self) -> int:
        return len(self.acks) + len(self.nacks)


class Held(NamedTuple):
    """An event in somebody's hands, until when (monotonic) it is his."""

    owner: Owner
    stream: str
    until: float
    turn: int
    """It was the so-manieth that was handed out."""


class Hands:
    """The events of one consumer. `gone(owner)`: whether what he holds is in the hands of whoever
    asks next; else it is his until it is settled or its lease runs out, whatever became of him.
    """

    def __init__(self, consumer: bytes, kept: Kept, gone: Callable[[Owner], bool]) -> None:
        self._mutex = threading.Lock()
        self._gone = gone
        self.ready: deque[DeliveredEvent] = deque()
        self.held: dict[int, Held] = {}
        self._turn = 0
        self._late: dict[int, Held] = {}
        """Handed out and not settled in time: somebody may still say something of them."""
        self._streams: dict[str, list[Owner]] = {}
        """Who holds events of a stream: once for each event."""
        self._acks: list[int] = []
        self._nacks: list[Nack] = []
        self._on_way: dict[int, Said] = {}
        """What was said and is not known to be stored; somebody answers for each."""
        self._number = 0
        self.shut = False
        """Whether no more may be claimed."""
        self.since = inf
        """Since when something is unsaid (monotonic seconds)."""
        self.stale_at = inf
        """When what is ready is not handed out any more, but returned (monotonic seconds)."""
        self._stale_us = 0
        """The same by the clock of leases, which runs on while a machine sleeps."""
        self._until = 0.0
        self.lease = Lease(consumer, kept.epoch)
        self.adopt(kept)

    def adopt(self, kept: Kept) -> None:
        """The rules as they are now; after a reset nothing of before counts."""
        self._in_order = kept.in_order
        self._parks_streams = kept.parks_streams
        self.lease_s = kept.ack_timeout / 1_000_000
        if kept.epoch != self.lease.epoch:
            with self._mutex:
                self.lease = Lease(self.lease.consumer, kept.epoch)
                for gone in (self.ready, self.held, self._late, self._streams):
                    gone.clear()
                self._acks, self._nacks, self.since = [], [], inf

    @property
    def send_after_s(self) -> float:
        """The longest time that something stays unsaid."""
        return min(0.1, self.lease_s / 4)

    # -- handing out

    def receive(self, events: Iterable[DeliveredEvent], claimed: float) -> None:
        """Events of a claim that was made at `claimed` and is committed."""
        found = sorted(events, key=lambda event: event.position)
        if not found:
            return
        with self._mutex:
            for event in found:  # what comes again was too late where it is still held
                self._let_go(event.position)
            stale_at = claimed + self.lease_s / 4
            stale_us = now_us() + round((stale_at - time.monotonic()) * 1_000_000)
            if self.ready:
                stale_at, stale_us = min(self.stale_at, stale_at), min(self._stale_us, stale_us)
            self.stale_at, self._stale_us = stale_at, stale_us
            self._until = claimed + self.lease_s
            self.ready.extend(found)

    def take(self, owner: Owner) -> DeliveredEvent | None:
        """The next event that `owner` may have, now his."""
        if not self.ready:
            return None
        with self._mutex:
            if time.monotonic() > self.stale_at or now_us() > self._stale_us:
                self._return_ready()
            for index, event in enumerate(self.ready):
                if self._may_have(owner, event.stream):
                    if index:
                        del self.ready[index]
                    else:
                        self.ready.popleft()
                    self._turn += 1
                    self.held[event.position] = Held(owner, event.stream, self._until, self._turn)
                    if self._in_order:
                        self._streams.setdefault(event.stream, []).append(owner)
                    return event
        return None

    def _may_have(self, owner: Owner, stream: str) -> bool:
        if not self._in_order:
            return True
        owners = self._streams.get(stream)
        return owners is None or all(o == owner or self._gone(o) for o in owners)

    def all_held_by(self, owners: Collection[Owner]) -> bool:
        """Whether nobody but these, and those who are gone, holds anything."""
        with self._mutex:
            return all(
                held.owner in owners or self._gone(held.owner) for held in self.held.values()
            )

    # -- what is said of them

    def ack(self, events: object) -> None:
        """One event is done, or several are."""
        if isinstance(events, DeliveredEvent) or not isinstance(events, Iterable):
            events = [events]
        found = [self.own(event) for event in events]  # pyright: ignore[reportUnknownVariableType]
        with self._mutex:
            for event in found:
                if self._settled(event):
                    self._acks.append(event.position)
            self._has_spoken()

    def ack_until(self, event: object) -> None:
        """What was handed out to the same thread or task, or to one that is gone, is done.

        What was late meanwhile is among it: it may still count. Of an event that is in nobody's
        hands any more nothing else is known.
        """
        last = self.own(event)
        with self._mutex:
            held = self.held.get(last.position) or self._late.get(last.position)
            if held is None:
                done = [last.position] if self._settled(last) else list[int]()
            else:
                done = [
                    position
                    for position, other in (*self._late.items(), *self.held.items())
                    if other.turn <= held.turn
                    and (other.owner == held.owner or self._gone(other.owner))
                ]
            for position in done:
                self._let_go(position)
            if last._lease.epoch == self.lease.epoch:  # pyright: ignore[reportPrivateUsage]
                self._acks += done
            self._has_spoken()

    def nack(self, event: object, action: str, reason: str, delay_us: int) -> None:
        """It failed; what follows it in its stream and is not handed out comes again behind it."""
        found = self.own(event)
        with self._mutex:
            if not self._settled(found):
                return
            said = Nack(found.position, action, reason[:REASON_CHARACTERS_MAX], delay_us)
            self._nacks.append(said)
            stays = action == "retry" or (action == "park" and self._parks_streams)
            if self._in_order and stays:
                behind = [e for e in self.ready if e.stream == found.stream]
                if behind:
                    self.ready = deque(e for e in self.ready if e.stream != found.stream)
                    self._nacks += [Nack(e.position, "return", "", 0) for e in behind]
            self._has_spoken()

    def pass_over(self, positions: Iterable[int]) -> None:
        """Events of a claim that are not there any more are done."""
        with self._mutex:
            self._acks += positions
            self._has_spoken()

    def own(self, event: object) -> DeliveredEvent:
        """What was given as an event, if this consumer delivered it; raises RequestError."""
        if not isinstance(event, DeliveredEvent):
            raise RequestError(
                f"a consumer settles the events that it delivered, not {type(event).__name__}"
            )
        if event._lease.consumer != self.lease.consumer:  # pyright: ignore[reportPrivateUsage]
            raise RequestError(f"{event!r} was delivered by another consumer: settle it there")
        return event

    def _settled(self, event: DeliveredEvent) -> bool:
        """Let go of it; False if it was settled before, or is of before a reset."""
        if event._lease.epoch != self.lease.epoch:  # pyright: ignore[reportPrivateUsage]
            return False
        return self._let_go(event.position)

    def _let_go(self, position: int) -> bool:
        held = self.held.pop(position, None)
        if held is not None:
            self._drop_owner(held)
            return True
        if self._late.pop(position, None) is not None:
            return True
        for index, event in enumerate(self.ready):  # it came again, and is not handed out
            if event.position == position:
                del self.ready[index]
                return True
        return False

    def _drop_owner(self, held: Held) -> None:
        owners = self._streams.get(held.stream)
        if owners is None:
            return
        if len(owners) == 1:
            del self._streams[held.stream]
        else:
            owners.remove(held.owner)

    def _has_spoken(self) -> None:
        if self.since == inf and (self._acks or self._nacks):
            self.since = time.monotonic()

    @property
    def unsaid(self) -> int:
        """How much is to be said."""
        return len(self._acks) + len(self._nacks)

    def saying(self) -> tuple[int, frozenset[int]]:
        """How much is to be said, and the numbers of what is on its way: of one moment."""
        with self._mutex:
            return self.unsaid, frozenset(self._on_way)

    def speak(self, own: Callable[[Said], bool]) -> None:
        """What is to be said next, for `own`, which returns whether it answers for it from now on:
        that `heard` or `unsay` is called. Interrupted in between, it is rather said twice.
        """
        with self._mutex:
            acks, nacks, since, most = self._acks, self._nacks, self.since, CLAIM_EVENTS_MAX
            said = Said(tuple(acks[:most]), tuple(nacks[:most]), self.lease.epoch, self._number)
            self._number += 1
            try:
                if own(said):
                    if said:
                        self._on_way[said.number] = said
                    self._acks, self._nacks = acks[most:], nacks[most:]
                    if not self.unsaid:
                        self.since = inf
            except BaseException:
                self._acks, self._nacks, self.since = acks, nacks, since
                raise

    def unsay(self, said: Said) -> None:
        """It was not stored: say it again."""
        with self._mutex:
            if self._on_way.pop(said.number, None) is not None:
                self._say_again(said)

    def unsay_all(self) -> None:
        """Nobody waits for the answers any more: say all that is on its way once more."""
        with self._mutex:
            for said in self._on_way.values():
                self._say_again(said)
            self._on_way.clear()

    def _say_again(self, said: Said) -> None:
        if said.epoch == self.lease.epoch:
            self._acks[:0] = said.acks
            self._nacks[:0] = said.nacks
            self._has_spoken()

    def heard(self, said: Said, counted: int) -> None:
        """It is stored. Where not all of it counted, leases ran out: what is ready may be gone."""
        with self._mutex:
            self._on_way.pop(said.number, None)
            if counted != len(said):
                self._return_ready()

    def close(self) -> None:
        """From now on nothing is claimed; what is on its way is among what is known."""
        with self._mutex:
            self.shut = True

    # -- time

    def look_at_time(self) -> None:
        """Leases that ran out end holding; what waited for long to be handed out is returned."""
        now = time.monotonic()
        with self._mutex:
            late = {position: held for position, held in self.held.items() if held.until < now}
            for position, held in late.items():
                del self.held[position]
                self._drop_owner(held)
            if late:
                if len(self._late) > _LATE_MAX:
                    self._late.clear()
                self._late.update(late)
            if late or now > self.stale_at or now_us() > self._stale_us:
                self._return_ready()

    @property
    def late_at(self) -> float:
        """When the next lease of what is held runs out (monotonic seconds)."""
        with self._mutex:
            return min([held.until for held in self.held.values()], default=inf)

    def return_ready(self) -> None:
        """Give back what is not handed out; no attempt counts."""
        with self._mutex:
            self._return_ready()

    def _return_ready(self) -> None:
        self._nacks += [Nack(event.position, "return", "", 0) for event in self.ready]
        self.ready.clear()
        self.stale_at = inf
        self._has_spoken()

    @property
    def empty(self) -> bool:
        """Whether the consumer holds nothing, as far as it knows."""
        return not (self.ready or self.held or self._late)

    @property
    def next_time(self) -> float:
        """When something is to be done, whoever asks (monotonic seconds)."""
        return min(self.since + self.send_after_s, self.stale_at if self.ready else inf)
