"""Several files fed from one list of entries, unkindly: all end equal, whatever happened."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from pyesdb import select
from pyesdb.log.sim import Sim, SimLog, Weather
from pyesdb.model import commands as c
from pyesdb.model.outcomes import Appended, Outcome
from pyesdb.model.versions import ANY, EXISTS, NO_STREAM
from pyesdb.sqlite import files
from pyesdb.store.applier import Applier
from pyesdb.store.contract import Log
from tests.machine.digest import logical_digest
from tests.machine.lab import SECOND, START

WEATHERS = {
    "calm": Weather(0, 0, 0, 0, 0),
    "usual": Weather(),
    "storm": Weather(idle=0.6, twice=0.5, reorder=0.8, again=0.5, replay=0.1),
}


class Member:
    """One file, fed by the simulated log."""

    def __init__(self, sim: Sim, path: Path) -> None:
        files.create(path, {"database": "lab", "store": "lab", "incarnation": 1})
        self.outcomes: dict[bytes, list[Outcome]] = {}
        self.applied: list[int] = []
        self.applier = Applier(path, "os", self._settle)
        self.log: Log = sim.member()
        self.log.start(self.applier.deliver)

    def _settle(self, entry: c.Entry, outcomes: list[Outcome]) -> None:
        self.applied.append(entry.seq)
        for command, outcome in zip(entry.commands, outcomes, strict=True):
            self.outcomes.setdefault(command.id, []).append(outcome)

    def end(self) -> tuple[bytes, str]:
        self.applier.begin()
        self.applier.rollback()
        assert self.applier._tx is not None
        return self.applier._tx.state.chain, repr(logical_digest(self.applier._connection))


class Clock:
    """A clock that jumps, forwards and backwards, by a seed."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = START

    def __call__(self) -> int:
        self._now += SECOND
        return self._now + self._random.choice((0, 0, 0, -3600, 5)) * SECOND


def some_command(random: Random, number: int) -> c.Command:
    """One of everything that users do, on few streams, tags and types."""
    id_ = number.to_bytes(16)
    stream = f"s{random.randrange(4)}"
    match random.randrange(12):
        case 0:
            kinds = random.choice((False, False, False, True))
            return c.with_digest(c.DeleteStream, id_, stream, ANY, kinds and number > 250)
        case 1:
            return c.with_digest(c.TruncateStream, id_, stream, random.randrange(20))
        case 2:
            changes = {"max_count": random.choice((None, 3)), "max_age": 50 * SECOND}
            return c.with_digest(c.SetStreamMetadata, id_, stream, changes)
        case 3:
            return c.with_digest(c.Scavenge, id_, 0, random.randint(1, 9))
        case 4:
            return c.with_digest(c.Expire, id_, START + number * SECOND, 0, 100)
        case 5:
            args = ("src", stream, random.randrange(5), b"%d" % number, "text/plain", b"")
            return c.with_digest(c.RecordSnapshot, id_, *args)
        case 6:
            settings = {"indexed_payload": random.sample(["a", "b"], random.randrange(3))}
            return c.with_digest(c.Configure, id_, number, settings)
        case _:
            return some_append(random, number, stream)


def some_append(random: Random, number: int, stream: str) -> c.AppendEvents:
    new = [
        (
            f"T{random.randrange(6)}",
            (number * 100 + n).to_bytes(16),
            None,
            None,
            b'{"a":%d,"b":"x"}' % n,
            b"",
            tuple(sorted(random.sample([f"t{k}" for k in range(30)], random.randrange(4)))),
        )
        for n in range(random.randrange(4))
    ]
    expected = random.choice((ANY, ANY, NO_STREAM, EXISTS, random.randrange(10)))
    parts = [c.stream_append(stream, expected, new)]
    if random.random() < 0.3:
        parts.append(c.stream_append("shared", ANY, new[:1]))
    condition = c.condition_of(select.tags("t1", "t2"), number // 2)
    return c.append_events(
        number.to_bytes(16),
        parts,
        condition if random.random() < 0.3 else None,
        ("src", number) if random.random() < 0.3 else None,
        many=len(parts) > 1,
    )


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("seed", range(3))
def test_all_files_end_equal(tmp_path: Path, seed: int, weather: str) -> None:
    random = Random(seed)
    sim = Sim(seed, Clock(random), WEATHERS[weather])
    members = [Member(sim, tmp_path / f"{n}.db") for n in range(3)]
    for number in range(1, 300):
        if number == 150:
            members.append(Member(sim, tmp_path / "late.db"))  # joins late, from the first entry
        chosen = random.choice(members)
        chosen.log.propose([some_command(random, number)])
        for _ in range(random.randrange(3)):
            sim.step()
        if random.random() < 0.05:
            chosen.applier.close()  # a process ends: what it remembered is gone
    sim.settle()
    ends = {member.end() for member in members}
    assert len(ends) == 1
    for member in members:
        assert member.applied == list(range(1, len(sim.entries) + 1))  # in order, each once
        assert member.outcomes == members[0].outcomes
        member.applier.close()
    once_each(members[0].outcomes)


def once_each(outcomes: dict[bytes, list[Outcome]]) -> None:
    """A command that came twice stored its events once: one first answer, then duplicates."""
    for answers in outcomes.values():
        appended = [answer for answer in answers if isinstance(answer, Appended)]
        assert sum(not answer.duplicate for answer in appended) <= 1


def test_the_weather_happens(tmp_path: Path) -> None:
    """Without repeats and overtaking the other test would prove little."""
    sim = Sim(1, Clock(Random(1)), WEATHERS["storm"])
    member = Member(sim, tmp_path / "store.db")
    delivered: list[int] = []

    def deliver(entries: Any) -> None:
        delivered.extend(entry.seq for entry in entries)
        member.applier.deliver(entries)

    member.log.start(deliver)
    for number in range(1, 60):
        member.log.propose([some_command(Random(number), number)])
        sim.step()
    sim.settle()
    proposed = [entry.commands[0].id for entry in sim.entries]
    assert len(set(proposed)) == 59 < len(proposed)
    assert proposed != sorted(proposed)
    assert len(delivered) > len(set(delivered)) == len(sim.entries)
    assert member.applied == sorted(set(delivered))
    member.applier.close()


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    runs = []
    for name in "ab":
        sim = Sim(5, Clock(Random(5)))
        member = Member(sim, tmp_path / f"{name}.db")
        for number in range(1, 50):
            member.log.propose([some_command(Random(number), number)])
            sim.step()
        sim.settle()
        runs.append((sim.entries, member.end()))
        member.applier.close()
    assert runs[0] == runs[1]


def test_barrier_and_close(tmp_path: Path) -> None:
    sim = Sim(2, Clock(Random(2)))
    first, second = (Member(sim, tmp_path / f"{n}.db") for n in range(2))
    for number in range(1, 10):
        first.log.propose([some_command(Random(number), number)])
    seq = second.log.barrier()
    assert seq > 9
    assert second.applier.applied >= seq
    second.log.close()
    assert isinstance(second.log, SimLog)
    first.log.propose([some_command(Random(11), 11)])
    sim.settle()
    assert first.applier.applied == len(sim.entries) > second.applier.applied
    for member in (first, second):
        member.applier.close()
