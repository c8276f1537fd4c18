"""A simulated replicated log: several files fed from one list of entries, unkindly, by a seed.

Used by tests only. Entries reach each member late, several at once, twice, or all over again from
the first; proposals reach the list in another order than they were made, and sometimes twice. What
is promised is what `store.contract` says: in order, contiguous, at least once. The same seed and
the same calls give the same run.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

import msgspec

from pyesdb.model.commands import Barrier, Command, Entry, with_digest
from pyesdb.model.limits import EXPIRES_US

Deliver = Callable[[Sequence[Entry]], None]


class Weather(NamedTuple):
    """How unkind the log is: the chance of each trouble at each step, 0 to 1."""

    idle: float = 0.3
    """A member or a proposal waits although it could go on."""
    twice: float = 0.15
    """A proposal enters the list a second time, as the retry of an answer that was lost."""
    reorder: float = 0.3
    """A later proposal overtakes the first one."""
    again: float = 0.2
    """Entries that a member has are delivered to it once more."""
    replay: float = 0.02
    """A member gets everything from the first entry."""


class Sim:
    """The list of entries and its members. `clock()` is the time of the next entry (us)."""

    def __init__(self, seed: int, clock: Callable[[], int], weather: Weather | None = None) -> None:
        self.entries: list[Entry] = []
        self._random = Random(seed)
        self._clock = clock
        self._weather = weather or Weather()
        self._proposals: list[list[Command]] = []
        self._members: list[SimLog] = []

    def member(self) -> "SimLog":
        """The log of one more file."""
        made = SimLog(self)
        self._members.append(made)
        return made

    def remove(self, member: "SimLog") -> None:
        """Deliver nothing more to this member; what it proposed stays."""
        self._members = [other for other in self._members if other is not member]

    def add(self, commands: Sequence[Command]) -> None:
        """Take a proposal; commands without a deadline expire 120 s of log time from now."""
        expires = self._time() + EXPIRES_US
        stamped = [
            command if command.expires else msgspec.structs.replace(command, expires=expires)
            for command in commands
        ]
        self._proposals.append(stamped)

    def _time(self) -> int:
        return max(self.entries[-1].time if self.entries else 0, self._clock())

    def step(self) -> bool:
        """Let one thing happen; whether anything is left to do."""
        if self._proposals and not self._chance(self._weather.idle):
            self._order()
        members = [member for member in self._members if member.deliver is not None]
        if members:
            self._deliver(self._random.choice(members))
        return bool(self._proposals) or any(m.sent < len(self.entries) for m in members)

    def settle(self) -> None:
        """Go on until every proposal is in the list and every member has all of it."""
        while self.step():
            pass

    def _chance(self, chance: float) -> bool:
        return self._random.random() < chance

    def _order(self) -> None:
        """Make an entry of a proposal: mostly the first one, which may stay for a second time."""
        index = 0
        if self._chance(self._weather.reorder):
            index = self._random.randrange(len(self._proposals))
        commands = self._proposals[index]
        if not self._chance(self._weather.twice):
            del self._proposals[index]
        # the proposer's clock, right or wrong: the machine's own never goes back
        self.entries.append(Entry(len(self.entries) + 1, self._clock(), commands))

    def _deliver(self, member: "SimLog") -> None:
        weather = self._weather
        if member.deliver is None or self._chance(weather.idle):
            return
        first = member.sent
        if self._chance(weather.replay):
            first = 0
        elif self._chance(weather.again):
            first = max(0, first - self._random.randint(1, 5))
        last = min(len(self.entries), member.sent + self._random.randint(1, 10))
        if first < last:
            member.sent = max(member.sent, last)
            member.deliver(self.entries[first:last])


class SimLog:
    """One member's side (store.contract.Log); `sent`: how many entries it was given."""

    def __init__(self, sim: Sim) -> None:
        self._sim = sim
        self.deliver: Deliver | None = None
        self.sent = 0

    def start(self, deliver: Deliver) -> None:
        """Deliver entries to `deliver`, from the first on: what is applied already is ignored."""
        self.deliver = deliver
        self.sent = 0

    def propose(self, commands: Sequence[Command]) -> None:
        """Put commands into the log; their outcomes come with the delivery."""
        self._sim.add(commands)

    def barrier(self) -> int:
        """The number of an entry behind everything proposed so far, once it is applied here."""
        proof = with_digest(Barrier, b"barrier:%08d" % len(self._sim.entries))
        self._sim.settle()
        self._sim.add([proof])
        self._sim.settle()
        return next(e.seq for e in self._sim.entries if e.commands[0].id == proof.id)

    def close(self) -> None:
        """Stop delivering to this member."""
        self.deliver = None
        self._sim.remove(self)
