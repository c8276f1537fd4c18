"""The lane: callers queue commands, and whoever finds the lane free leads.

The leader takes what is queued, makes one log entry of it, settles the group and hands the lead on
(group commit as in LevelDB's writer queue). There is no thread of its own: a lone caller commits
on its own thread; the fsync is the window in which the next group gathers.

What must never happen here: a lane whose leader is gone, whatever was raised into it (a signal
handler's exception, too); an answer before the commit; a lock held across COMMIT except the lead.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pyesdb.log.local import LocalLog
from pyesdb.model import limits
from pyesdb.model.commands import Command, Entry
from pyesdb.model.errors import PyesdbError
from pyesdb.model.outcomes import Outcome
from pyesdb.store.applier import Applier
from pyesdb.store.deadlines import LATE_S, POLL_S, LaneDeadlines, too_late
from pyesdb.store.group import Group, internal, outcome_unknown
from pyesdb.store.lead import Handing, Interlude, elsewhere, start_thread, surely
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
)
from pyesdb.store.waiting import Waiting
from pyesdb.telemetry.log import logger

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_HELPER = object()
"""The leader when it is no caller: a pool thread, the lock waiter or the rescuer."""

_WAITER = object()
"""The leader while it waits for the lock file of another process; nothing is taken yet."""

_GROUPS = 8
_PATIENCE_S = 1.0


class Outbox(Waiting):
    """The lane of one store. `run_in_pool(f)` runs f soon on another thread, if one can be had."""

    def __init__(
        self,
        applier: Applier,
        log: LocalLog,
        run_in_pool: Callable[[Callable[[], None]], bool],
        on_moved: Callable[[], PyesdbError],
    ) -> None:
        super().__init__(log)
        self._applier = applier
        self._run_in_pool = run_in_pool
        self._leader: object = None
        self._group = Group(applier, log, on_moved)
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
                loop.call_soon(self._pass_on, handing)
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
            self._pass_on(self._queue_up(slot))
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
            elsewhere(self._rescue, slot)
        else:
            self._announce(slot)

    def _announce(self, former: object) -> None:
        """The lead left `former`, perhaps only half."""
        leader = self._leader
        if isinstance(leader, Handing) and leader.owner is former:
            elsewhere(self._claim, leader)
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
                self._log.release()  # as below
                break
            if not self._commit(own):
                return  # the lock waiter leads now
            if own.state in (DONE, WITHDRAWN):
                break
        self._hand_on(own)

    def _lead_as_helper(self) -> None:
        """Lead on a thread that is no caller's: whatever happens, the lead is handed on."""
        self._pass_on(self._helped())

    def _helped(self) -> Handing | None:
        """Lead as a helper; the lead, if it is to go to the pool."""
        try:
            for _ in range(_GROUPS):
                if not self._take():
                    self._log.release()  # it may have been taken for callers who left meanwhile
                    break
                if not self._commit(_HELPER):
                    return None
        except Exception as error:  # noqa: BLE001  (nobody may be left waiting)
            logger.exception("leading a lane")
            self._group.fail(internal(error))
            self._log.release()
        except BaseException as error:  # noqa: BLE001  (a signal, where this thread had to do it)
            logger.debug("interrupted while leading a lane: %r", error)
            self._group.mend()
            self._put_back()
        return self._give(_HELPER)

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
        if start_thread(self._wait_for_lock, handing) or not self._claimed(handing, leader):
            return False
        self._wait_here()
        return True

    def _wait_here(self) -> None:
        """No thread can be had that waits for the lock file: this one does, but not for long."""
        end = time.monotonic() + _PATIENCE_S
        while not self._log.try_hold():
            if time.monotonic() >= end:
                return self._refuse(self.late())
            time.sleep(POLL_S)
        return None

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
        self._pass_on(self._give(leader))

    def _give(self, leader: object) -> Handing | None:
        """Give the lead to the next waiting caller, or to nobody; else it is to go to the pool."""
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
        return handing

    def _pass_on(self, handing: Handing | None) -> None:
        """Let the pool claim the lead; where no thread can be had, lead here while any waits."""
        while handing and not self._run_in_pool(partial(self._claim, handing)):
            handing = self._helped() if self._claimed(handing, _HELPER) else None

    def _claim(self, handing: object) -> None:
        """On another thread: take the lead that was handed over, if nobody else did."""
        if self._claimed(handing, _HELPER):
            self._lead_as_helper()

    def _claimed(self, handing: object, leader: object) -> bool:
        with self._mutex:
            if self._leader is not handing:
                return False
            self._leader = leader
            return True

    def _wait_for_lock(self, handing: object) -> None:
        """On a thread of its own: wait for the lock file, then lead."""
        if not self._claimed(handing, _WAITER):
            return
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
        if not self._claimed(slot, _HELPER):
            return
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
        self._refuse(error)
        while (leader := self._leader) not in (None, _WAITER):
            if sys.is_finalizing():  # whoever leads never goes on
                return
            if isinstance(leader, Handing) and not isinstance(leader.owner, Interlude):
                self._claim(leader)  # who was to do it may never come
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
