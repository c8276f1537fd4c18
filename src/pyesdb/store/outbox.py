"""The lane: callers queue commands, and whoever finds the lane free leads.

The leader takes what is queued, makes one log entry of it, settles the group and hands the lead on
(group commit as in LevelDB's writer queue). There is no thread of its own: a lone caller commits
on its own thread; the fsync is the window in which the next group gathers.

What must never happen here: a lane whose leader is gone, whatever was raised into it (a signal
handler's exception, too); an answer before the commit; a lock held across COMMIT except the lead.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pyesdb.log.local import LocalLog
from pyesdb.model import limits
from pyesdb.model.commands import Command, Entry
from pyesdb.model.errors import DeadlineExceeded, PyesdbError
from pyesdb.model.outcomes import Outcome
from pyesdb.sqlite.locks import command_of
from pyesdb.store.applier import Applier
from pyesdb.store.deadlines import LATE_S, POLL_S, LaneDeadlines, too_late
from pyesdb.store.group import Group, internal, outcome_unknown
from pyesdb.store.lead import Handing, Interlude, start_thread, surely
from pyesdb.store.slots import (
    DONE,
    QUEUED,
    TAKEN,
    WITHDRAWN,
    AsyncSlot,
    PostSlot,
    Slot,
    SyncSlot,
    answer,
    wake_all,
)
from pyesdb.telemetry.log import logger

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_HELPER = object()
"""The leader when it is no caller: a pool thread, the lock waiter or the rescuer."""

_WAITER = object()
"""The leader while it waits for the lock file of another process; nothing is taken yet."""

_GROUPS = 8


class Outbox:
    """The lane of one store. `run_in_pool(f)` runs f soon on another thread."""

    def __init__(
        self,
        applier: Applier,
        log: LocalLog,
        run_in_pool: Callable[[Callable[[], None]], None],
        on_moved: Callable[[], PyesdbError],
    ) -> None:
        self._applier = applier
        self._log = log
        self._run_in_pool = run_in_pool
        self._mutex = threading.Lock()
        self._room = threading.Condition(self._mutex)
        self._queue: deque[Slot] = deque()
        self._asking = 0
        self._waiting_bytes = 0
        self._leader: object = None
        self._group = Group(applier, log, on_moved)
        self._closed: PyesdbError | None = None
        self._deadlines = LaneDeadlines(lambda slot: too_late(self, slot))

    # -- callers

    def submit(self, command: Command, timeout_s: float) -> Outcome:
        """Queue a command and wait for its outcome, leading when the lane is free.

        Raises DeadlineExceeded (nothing stored), OutcomeUnknown, and what the store raises.
        """
        slot = SyncSlot(command)
        deadline = time.monotonic() + timeout_s
        try:
            self._enqueue(slot, deadline)
            if self._leader is slot:
                self._lead(slot)
            if slot.state is not DONE:
                self._wait(slot, deadline)
            if self._leader is slot:  # given to it, and answered by close() before it looked
                self._lead(slot)
        except BaseException:
            surely(lambda: self._abandon(slot))
            raise
        return answer(slot)

    async def submit_async(
        self, command: Command, timeout_s: float, loop: AbstractEventLoop
    ) -> Outcome:
        """The same without blocking `loop`, the running one; cancelling withdraws what waits."""
        end = loop.time() + timeout_s
        while self.full():
            from asyncio import sleep

            if loop.time() >= end:
                raise self.late("the store's queue is full")
            await sleep(POLL_S)
        slot = AsyncSlot(command, loop)
        deadlines = self._deadlines.on(loop)
        try:
            deadlines.add(slot, end)
            if (handing := self._queue_up(slot)) is not None:
                # tasks that are ready now queue up first, and share the commit
                loop.call_soon(self._pass_to_pool, handing)
            await slot.future
        except BaseException:
            surely(lambda: self._abandon(slot))
            raise
        finally:
            deadlines.discard(slot)
        return answer(slot)

    def post(self, slot: PostSlot) -> None:
        """Queue a command for which nobody waits; its slot is told."""
        try:
            if (handing := self._queue_up(slot)) is not None:
                self._pass_to_pool(handing)
        except BaseException:
            surely(lambda: self._abandon(slot))
            raise

    def _queue_up(self, slot: Slot) -> Handing | None:
        """Queue a slot of one who does not lead; the lead, if it is to go to the pool."""
        with self._mutex:
            if self._closed is not None:
                raise self._closed
            self._queue.append(slot)
            self._waiting_bytes += slot.bytes
            if self._leader is not None:
                return None
            self._leader = handing = Handing(slot)
            return handing

    def full(self) -> bool:
        """Whether as much waits as may wait."""
        return (
            len(self._queue) >= limits.QUEUE_SLOTS_MAX
            or self._waiting_bytes >= limits.QUEUE_BYTES_MAX
        )

    def withdraw(self, slot: Slot) -> bool:
        """Take a slot back if it was not proposed yet; whether nothing of it was stored."""
        with self._mutex:
            if slot.state == QUEUED:
                slot.state = WITHDRAWN
            return slot.state == WITHDRAWN

    def _enqueue(self, slot: SyncSlot, deadline: float) -> None:
        with self._mutex:
            if self._closed is not None:
                raise self._closed
            if self.full():
                self._wait_for_room(deadline)
            self._queue.append(slot)
            self._waiting_bytes += slot.bytes
            if self._leader is None:
                self._leader = slot

    def _wait_for_room(self, deadline: float) -> None:
        self._asking += 1  # an interrupt may leave it too high: then somebody is woken for nothing
        try:
            while self.full():
                left = deadline - time.monotonic()
                if left <= 0 or not self._room.wait(left):
                    raise self.late("the store's queue is full")
                if self._closed is not None:
                    raise self._closed
        finally:
            self._asking -= 1

    def late(self, why: str = "") -> DeadlineExceeded:
        """The error of a deadline before the command was proposed; names who is in the way."""
        with suppress(OSError, PyesdbError):  # the lock file is closed: then nobody is in the way
            if (pid := self._log.holder()) is not None:
                why = f"process {pid} ({command_of(pid)}) holds the store; let it go on, or stop it"
        return DeadlineExceeded(
            f"the deadline passed while the call waited for its turn{why and f' ({why})'}; "
            "nothing was stored: call again, or give a longer timeout="
        )

    def _wait(self, slot: SyncSlot, deadline: float) -> None:
        late_until = deadline + LATE_S
        while slot.state is not DONE:
            limit = late_until if slot.state == TAKEN else deadline
            woken = slot.gate.acquire(timeout=max(0.0, limit - time.monotonic()))
            if self._leader is slot:
                self._lead(slot)
            elif not woken and slot.state is not DONE:
                if self.withdraw(slot):
                    raise self.late()
                if time.monotonic() >= late_until and slot.state is TAKEN:
                    raise outcome_unknown(slot)

    def _abandon(self, slot: Slot) -> None:
        """The caller leaves by an exception: the lead goes on elsewhere, the slot is taken back.

        Everything here may be done twice: a signal can interrupt it anywhere.
        """
        self.withdraw(slot)
        if self._leader is slot:
            start_thread(self._rescue, slot)
        else:
            self._announce(slot)

    def _announce(self, former: object) -> None:
        """The lead left `former`, perhaps only half."""
        leader = self._leader
        if isinstance(leader, Handing) and leader.owner is former:
            start_thread(self._claim, leader)
        elif isinstance(leader, SyncSlot):
            leader.wake()

    def alone(self, action: Callable[[], None]) -> bool:
        """Run `action` if nobody leads or waits; who comes meanwhile waits for its end."""
        own = Interlude()
        handing = Handing(own)  # an interrupt, and it is claimed
        try:
            with self._mutex:
                if self._leader is not None or self._queue or self._closed is not None:
                    return False
                self._leader = handing
            action()
            self._hand_on(own)
        except BaseException:
            surely(lambda: self._announce(own))
            raise
        return True

    # -- leading

    def _lead(self, own: Slot) -> None:
        """Commit groups until the own slot is settled, then hand the lead on."""
        for _ in range(_GROUPS):
            if not self._take():
                break
            if not self._commit(own):
                return  # the lock waiter leads now
            if own.state in (DONE, WITHDRAWN):
                break
        self._hand_on(own)

    def _lead_as_helper(self) -> None:
        """Lead on a thread that is no caller's: whatever happens, the lead is handed on."""
        try:
            for _ in range(_GROUPS):
                if not self._take():
                    self._log.release()  # it may have been taken for callers who left meanwhile
                    break
                if not self._commit(_HELPER):
                    return
        except Exception as error:  # noqa: BLE001  (nobody may be left waiting)
            logger.exception("leading a lane")
            self._group.fail(internal(error))
            self._log.release()
        self._hand_on(_HELPER)

    def _take(self) -> bool:
        """Move what fits into one entry from the queue to the group."""
        events = size = 0
        with self._mutex:
            queue, group = self._queue, self._group.slots
            while queue and len(group) < limits.GROUP_COMMANDS_MAX:
                slot = queue[0]
                if slot.state is not QUEUED:
                    self._waiting_bytes -= queue.popleft().bytes
                    continue
                events += slot.events
                size += slot.bytes
                if group and (events > limits.GROUP_EVENTS_MAX or size > limits.GROUP_BYTES_MAX):
                    break
                slot.state = TAKEN
                group.append(slot)
                self._waiting_bytes -= queue.popleft().bytes
            if self._asking:
                self._room.notify_all()
        return bool(group)

    def _commit(self, leader: object) -> bool:
        """Commit the group; False: another process holds the store, and a waiter leads."""
        if self._group.commit():
            return True
        self._put_back()
        self._leader = handing = Handing(leader)
        start_thread(self._wait_for_lock, handing)
        return False

    def settle(self, entry: Entry, outcomes: list[Outcome]) -> None:
        """Answer the group: called by the applier, behind the COMMIT."""
        self._group.settle(entry, outcomes)

    def _put_back(self) -> None:
        with self._mutex:
            for slot in reversed(self._group.slots):
                if slot.state is TAKEN:
                    slot.state = QUEUED
                    self._queue.appendleft(slot)
            self._group.slots = []
            self._waiting_bytes = sum(slot.bytes for slot in self._queue)

    def _hand_on(self, leader: object) -> None:
        """Give the lead to the next waiting caller, or to the pool, or to nobody."""
        handing: Handing | None = None
        with self._mutex:
            while self._queue and self._queue[0].state is not QUEUED:
                self._waiting_bytes -= self._queue.popleft().bytes
            following = self._queue[0] if self._queue else None
            if isinstance(following, SyncSlot):
                self._leader = following
                following.wake()
            elif following is not None:
                self._leader = handing = Handing(leader)
            else:
                self._leader = None
        if handing is not None:
            self._pass_to_pool(handing)

    def _pass_to_pool(self, handing: Handing) -> None:
        self._run_in_pool(lambda: self._claim(handing))

    def _claim(self, handing: object) -> None:
        """On another thread: take the lead that was handed over, if nobody else did."""
        with self._mutex:
            if self._leader is not handing:
                return
            self._leader = _HELPER
        self._lead_as_helper()

    def _wait_for_lock(self, handing: object) -> None:
        """On a thread of its own: wait for the lock file, then lead."""
        with self._mutex:
            if self._leader is not handing:
                return
            self._leader = _WAITER
        try:
            self._log.hold()
        except (OSError, PyesdbError) as error:
            if self._closed is None:
                logger.error("waiting for a store's lock file: %s", error)
        with self._mutex:
            self._leader = _HELPER
        self._lead_as_helper()

    def _rescue(self, slot: Slot) -> None:
        """A leader was interrupted: mend what it left, then go on leading in its place."""
        with self._mutex:
            if self._leader is not slot:
                return
            self._leader = _HELPER
        with self._mutex:  # the leader may have been stopped between the queue and the group
            for stray in self._queue:
                if stray.state is TAKEN and stray not in self._group.slots:
                    stray.state = QUEUED
        self._group.mend()
        if slot.state is TAKEN:
            slot.state = WITHDRAWN  # its caller was told that it ended: nothing may happen later
        self._put_back()
        self._lead_as_helper()

    # -- the end

    def close(self, error: PyesdbError) -> None:
        """Refuse new commands; what is under way is finished, what waits gets `error`."""
        with self._mutex:
            self._closed = error
            waiting = [slot for slot in self._queue if slot.state is QUEUED]
            for slot in waiting:
                slot.error = error
                slot.state = DONE
            self._room.notify_all()
        wake_all(waiting)
        while self._leader not in (None, _WAITER):
            time.sleep(0.001)
        if self._leader is None:
            self._log.close()  # a waiter gives the lock back by itself, whenever it gets it
        self._applier.close()

    def led_here(self) -> bool:
        """Whether this very thread is inside a commit (then a signal handler is asking)."""
        leader = self._leader
        if isinstance(leader, Handing):
            leader = leader.owner if isinstance(leader.owner, Interlude) else None
        return isinstance(leader, (SyncSlot, Interlude)) and leader.thread == threading.get_ident()

    def abandon(self) -> list[Any]:
        """After fork: nothing here may run any more."""
        return [self, *self._applier.abandon()]
