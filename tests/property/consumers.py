"""A state machine of persistent subscriptions: what must hold, whatever consumers do.

Nothing is lost; nothing is delivered after its ack was durable; the order of a stream holds over
consumers and retries; never more than the window is in flight. The model knows of each event what a
user knows: with whom it is, and whether it is done.
"""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import pyesdb
from pyesdb import NewEvent, select
from pyesdb.store import consuming, hands, proposing, sending
from pyesdb.telemetry.clock import set_source
from tests.conftest import Clock
from tests.property.machines import new_directory

KEYS = ("x", "y", "z")
STREAMS = ("a", "b", "c")
LEASE_S = 30
MAX_RETRIES = 2
WINDOW = 4

OPEN, SAID, DONE, PARKED = "open", "said", "done", "parked"


class Seen:
    """What a user knows of one event."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.state: Any = OPEN
        """OPEN, SAID (its ack may be durable), DONE, PARKED, or the consumer that has it."""
        self.until = 0
        self.asked = False
        """Whether a user parked it."""


class Consumers(RuleBasedStateMachine):
    """Consumers come, go, die; the wall clock and the monotonic one move together."""

    settings: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock(datetime(2100, 1, 1, tzinfo=UTC))
        set_source(self.clock)
        self.ahead = 0.0
        fake = SimpleNamespace(monotonic=lambda: time.monotonic() + self.ahead)
        for module in (consuming, hands, proposing, sending):
            self.patch.setattr(module, "time", fake)
        self.directory = new_directory()
        self.db = pyesdb.open(self.directory, durability="os")
        self.store = self.db.store()
        self.events: dict[int, Seen] = {}
        self.hidden = False
        self.consumers: dict[str, Any] = {}
        self.hands: dict[str, dict[int, Any]] = {}
        self.parks_streams = self.settings.get("on_poison", "park_stream") == "park_stream"
        self.in_order = self.settings.get("order", "stream") == "stream"
        self.store.save_subscription(
            "sub",
            select.event_type("Wanted"),
            window=WINDOW,
            ack_timeout=LEASE_S,
            max_retries=MAX_RETRIES,
            **self.settings,
        )

    @property
    def now(self) -> int:
        return self.clock()

    def move(self, seconds: int) -> None:
        self.clock.move(seconds=seconds)
        self.ahead += seconds

    def late(self, event: Seen) -> bool:
        return self.now >= event.until

    # -- writing

    @initialize(count=st.integers(1, 12))
    def fill(self, count: int) -> None:
        for number in range(count):
            self.append(STREAMS[number % 3], 1)

    @rule(stream=st.sampled_from(STREAMS), count=st.integers(1, 3))
    def append(self, stream: str, count: int) -> None:
        for _ in range(count):
            self.store.append(stream, NewEvent("Other"))
            position = self.store.append(stream, NewEvent("Wanted")).position
            assert position is not None
            self.events[position] = Seen(stream)

    @rule(stream=st.sampled_from(STREAMS))
    def hide_and_scavenge(self, stream: str) -> None:
        if self.store.exists(stream):
            self.store.truncate_stream(stream, before_version=10_000)
            self.store.scavenge()
            self.hidden = True  # what a reset would deliver may be reclaimed

    # -- consuming

    @rule(key=st.sampled_from(KEYS), count=st.integers(1, WINDOW))
    def take(self, key: str, count: int) -> None:
        for _ in range(count):
            self.get(key)

    @rule(key=st.sampled_from(KEYS))
    def work_off(self, key: str) -> None:
        for _ in range(10):
            self.get(key)
            for position in self.holding(key):
                self.ack(key, 0, position % 2 == 0)

    def get(self, key: str) -> None:
        if key not in self.consumers:
            self.consumers[key] = self.store.consume("sub")
            self.hands[key] = {}
        try:
            event = self.consumers[key].get(0)
        except pyesdb.WindowFull:
            held = self.consumers[key]._consuming.hands.held
            assert len(held) == WINDOW
            assert not any(self.late(self.events[p]) for p in held if p in self.hands[key])
            return
        if event is not None:
            self.delivered(key, event)

    def delivered(self, key: str, event: Any) -> None:
        self.adopt_parked()
        seen = self.events[event.position]
        assert event.stream == seen.stream
        assert 1 <= event.attempt <= MAX_RETRIES + 2
        assert seen.state not in (DONE, PARKED), (event, seen.state)
        if seen.state in KEYS or seen.state == "dead":
            assert self.late(seen), f"{event} is with {seen.state}, and comes to {key}"
        if self.in_order:
            for position, other in self.events.items():
                if position < event.position and other.stream == event.stream:
                    self.check_before(key, event, position, other)
        self.forget(event.position)
        seen.state, seen.until = key, self.now + LEASE_S * 1_000_000_000
        self.hands[key][event.position] = event

    def check_before(self, key: str, event: Any, position: int, other: Seen) -> None:
        if other.state == SAID:  # else it would not have come
            other.state = DONE
        if other.state == PARKED and not self.parks_streams:
            return
        mine = other.state == key and not self.late(other)
        assert other.state == DONE or mine, (
            f"{event} comes to {key} though {position} of its stream is {other.state}"
        )

    def forget(self, position: int) -> None:
        for held in self.hands.values():
            held.pop(position, None)

    def holding(self, key: str) -> list[int]:
        return list(self.hands.get(key, {}))

    @rule(key=st.sampled_from(KEYS), which=st.integers(0, WINDOW), durable=st.booleans())
    def ack(self, key: str, which: int, durable: bool) -> None:
        if not self.holding(key):
            return
        position = self.holding(key)[which % len(self.holding(key))]
        self.consumers[key].ack(self.hands[key].pop(position))
        if self.events[position].state == key:
            self.events[position].state = SAID
        if durable:
            self.flush(key)

    @rule(key=st.sampled_from(KEYS))
    def flush(self, key: str) -> None:
        if key in self.consumers:
            self.consumers[key].flush()

    @rule(
        key=st.sampled_from(KEYS),
        which=st.integers(0, WINDOW),
        action=st.sampled_from(["retry", "retry", "park", "skip"]),
        delay=st.sampled_from([None, 0, 5, 60]),
    )
    def nack(self, key: str, which: int, action: str, delay: int | None) -> None:
        if not self.holding(key):
            return
        position = self.holding(key)[which % len(self.holding(key))]
        event, seen = self.hands[key].pop(position), self.events[position]
        wait = {"delay": delay} if action == "retry" else {}
        self.consumers[key].nack(event, action, reason="why", **wait)
        self.consumers[key].flush()
        parked = self.parked()
        if action == "skip":
            # what an earlier one of its stream took back, or was late, comes again
            seen.state = SAID
        elif position in parked:
            seen.state, seen.asked = PARKED, action == "park"
            if action == "retry":
                assert event.attempt > MAX_RETRIES
        else:
            seen.state = OPEN
        if self.in_order and (action == "retry" or self.parks_streams) and action != "skip":
            self.recall(position)

    def recall(self, position: int) -> None:
        """What follows in the stream comes again behind it, also what is in somebody's hands."""
        stream = self.events[position].stream
        for later, seen in self.events.items():
            if later > position and seen.stream == stream and seen.state in KEYS:
                seen.state = OPEN

    # -- leaving

    @rule(key=st.sampled_from(KEYS))
    def leave(self, key: str) -> None:
        consumer = self.consumers.pop(key, None)
        if consumer is not None:
            consumer.__exit__(None, None, None)
            for position in self.hands.pop(key):
                if self.events[position].state == key:
                    self.events[position].state = OPEN

    @rule(key=st.sampled_from(KEYS))
    def die(self, key: str) -> None:
        """As a killed process: nothing that was not stored is said any more."""
        consumer = self.consumers.pop(key, None)
        if consumer is not None:
            consumer._consuming.closed = True
            consumer._consuming.sending.stop()
            for position in self.hands.pop(key):
                if self.events[position].state == key:
                    self.events[position].state = "dead"

    @rule(seconds=st.sampled_from([1, 10, 31, 100]))
    def wait(self, seconds: int) -> None:
        self.move(seconds)

    # -- parked ones, and the subscription

    def parked(self) -> dict[int, pyesdb.ParkedEvent]:
        return {parked.event.position: parked for parked in self.store.parked("sub")}

    @rule(replay=st.booleans(), some=st.booleans())
    def unpark(self, replay: bool, some: bool) -> None:
        self.adopt_parked()
        parked = sorted(p for p, seen in self.events.items() if seen.state == PARKED)
        chosen = parked[::2] if some else parked
        call = self.store.replay_parked if replay else self.store.discard_parked
        assert call("sub", chosen if some else None) == len(chosen)
        for position in chosen:
            self.events[position].state = OPEN if replay else DONE

    @rule(back=st.integers(0, 20))
    @precondition(lambda self: not self.hidden)
    def reset(self, back: int) -> None:
        head = max(self.events, default=0)
        after = max(0, head - back)
        self.store.reset_subscription("sub", after=after)
        for position, seen in self.events.items():
            seen.state = OPEN if position > after else DONE
        self.hands = {key: {} for key in self.consumers}

    @rule()
    def verify(self) -> None:
        assert self.store.verify().ok

    # -- always

    def adopt_parked(self) -> None:
        """What was lost too often is parked by whoever notices it."""
        for position, parked in self.parked().items():
            seen = self.events[position]
            if seen.state != PARKED:
                assert seen.state in (OPEN, "dead", SAID) or self.late(seen), seen.state
                assert parked.attempts > MAX_RETRIES
                seen.state = PARKED

    @invariant()
    def never_more_than_the_window(self) -> None:
        info = self.store.subscription_info("sub")
        assert info.in_flight <= WINDOW
        self.adopt_parked()
        assert info.parked == sum(seen.state == PARKED for seen in self.events.values())

    def teardown(self) -> None:
        try:
            self.drain()
            assert self.store.verify().ok
        finally:
            for consumer in self.consumers.values():
                consumer.__exit__(None, None, None)
            self.db.close()
            shutil.rmtree(self.directory.parent, ignore_errors=True)
            set_source(None)
            self.patch.undo()

    def drain(self) -> None:
        """In the end every event that is not done is delivered, in order, and then is done."""
        for key in list(self.consumers):
            self.leave(key)
        self.consumers["x"] = consumer = self.store.consume("sub")
        self.hands["x"] = {}
        for _ in range(30):
            self.move(100)
            self.adopt_parked()
            self.store.replay_parked("sub")
            for seen in self.events.values():
                if seen.state == PARKED:
                    seen.state = OPEN
            while (event := consumer.get(0)) is not None:
                self.delivered("x", event)
                consumer.ack(self.hands["x"].pop(event.position))
                consumer.flush()
                self.events[event.position].state = DONE
        left = {p: seen.state for p, seen in self.events.items() if seen.state not in (DONE, SAID)}
        assert not left, left
        info = self.store.subscription_info("sub")
        assert (info.in_flight, info.parked) == (0, 0)


class ParkingStreams(Consumers):
    """The default: what follows a parked event waits behind it."""


class ParkingEvents(Consumers):
    """Order, but a parked event lets its stream go on."""

    settings: ClassVar[dict[str, Any]] = {"on_poison": "park_event"}


class WithoutOrder(Consumers):
    """Nothing waits for anything."""

    settings: ClassVar[dict[str, Any]] = {"order": "none"}
