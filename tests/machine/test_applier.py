"""The applier: gaps and repeats, rollback, marks, the clock of two writers, caches."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

from pyesdb import Fault
from pyesdb.machine import transaction
from pyesdb.model import commands as c
from pyesdb.model.outcomes import Appended
from pyesdb.model.versions import ANY, NO_STREAM
from pyesdb.store import applier as applier_module
from pyesdb.store.applier import Applier
from tests.machine.lab import START, Lab, event, events, refused, stored


def test_an_entry_that_is_applied_already_is_ignored(lab: Lab) -> None:
    for _ in range(3):
        lab.append("s")
    end, answered = lab.end(), len(lab.answers)
    lab.applier.deliver(lab.entries)
    lab.applier.deliver(lab.entries[1:2])
    assert lab.end() == end
    assert len(lab.answers) == answered
    lab.reopen()
    lab.applier.deliver(lab.entries)
    assert lab.end() == end


def test_a_gap_is_a_fault_and_applies_nothing(lab: Lab) -> None:
    lab.append("s")
    end = lab.end()
    with pytest.raises(Fault, match="entry 3 came behind entry 1"):
        lab.applier.deliver([c.Entry(3, lab.now, [])])
    assert lab.end() == end
    assert stored(lab.append("s"))[1] == 1


def test_entries_are_numbered_in_the_file_and_the_chain_is_marked_each_thousand(lab: Lab) -> None:
    chains: dict[int, bytes] = {}
    for _ in range(2100):
        lab.send()
        chains[lab.tx.state.seq] = lab.tx.state.chain
    assert len(set(chains.values())) == 2100
    assert lab.rows("SELECT seq, chain FROM mark ORDER BY seq") == [
        (seq, chains[seq]) for seq in (1000, 2000)
    ]
    lab.reopen()
    assert lab.tx.state.chain == chains[2100]


def test_the_chain_depends_on_order_time_content_and_outcome(tmp_path: Any) -> None:
    def chain(name: str, *moves: tuple[str, int]) -> bytes:
        lab = Lab(tmp_path / name)
        for stream, later in moves:
            command = lab.appending((stream, ANY, [event(id=7)]))
            lab.send(command, at=lab.now + later)
        found = lab.tx.state.chain
        lab.close()
        return found

    first = chain("1", ("a", 1), ("b", 1))
    assert chain("2", ("a", 1), ("b", 1)) == first
    others = [
        chain("3", ("b", 1), ("a", 1)),
        chain("4", ("a", 2), ("b", 1)),
        chain("5", ("a", 1), ("c", 1)),
        chain("6", ("a", 1)),
        chain("7", ("a", 1), ("b", 1), ("b", 1)),
    ]
    assert len({first, *others}) == 6


class BrokenError(Exception):
    pass


def broken(tx: Any, entry: c.Entry) -> Any:
    """The machine, then a defect, when everything has been written but not committed."""
    from pyesdb.machine import apply

    apply(tx, entry)
    raise BrokenError


def test_after_a_rollback_nothing_provisional_is_remembered(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams, types, tags, ids, versions, positions, settings: all as the file says."""
    lab.append("s", [event("A", tags=["x"])])
    end = lab.end()
    commands = (
        lab.appending(("s", ANY, [event("New", tags=["new"])])),
        lab.appending(("new", ANY, events(3)), tracking=("src", 1)),
        lab.make(c.Configure, 7, {"max_events": 1, "indexed_payload": ["a"]}),
        lab.make(c.Freeze, True),
        lab.make(c.Seal, True),
    )
    with monkeypatch.context() as patch:
        patch.setattr(applier_module, "apply", broken)
        with pytest.raises(BrokenError):
            lab.send(*commands)
    assert lab.end() == end
    assert not lab.tx.sealed
    assert not lab.tx.frozen
    assert stored(lab.append("new", [event("Other", tags=["other"])], NO_STREAM)) == (1, 0, 2)
    assert stored(lab.append("s", 1, 0)) == (1, 1, 3)
    names = lab.rows("SELECT id, name FROM type ORDER BY id")
    assert names == [(1, "A"), (2, "Other"), (3, "Happened")]
    assert lab.rows("SELECT id, name FROM tag ORDER BY id") == [(1, "x"), (2, "other")]
    assert isinstance(lab.send(commands[0])[0], Appended)  # nothing was recorded of it


def test_a_rollback_that_ends_half_way_leaves_nothing_behind(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.append("s", 1)
    entries = lab.tx.state.seq

    def interrupted(tx: transaction.Tx) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(applier_module, "apply", broken)
        patch.setattr(transaction.Tx, "reload", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lab.send(lab.appending(("s", ANY, events(3))))
    assert stored(lab.append("s", 1, 0)) == (1, 1, 2)
    assert lab.tx.state.seq == entries + 1


def test_what_is_remembered_changes_no_outcome(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of almost nothing, dropped all the time, gives the same chain."""
    for number in range(60):
        lab.append(f"s{number % 7}", [event(f"T{number % 5}", tags=[f"x{number % 11}", "y"])])
    chain = lab.tx.state.chain
    monkeypatch.setattr(transaction, "CACHE_MAX", 1)
    other = Lab(lab.path.with_name("other.db"))
    other.applier.deliver(lab.entries)
    assert other.tx.state.chain == chain
    other.close()


def test_a_full_disk_stores_nothing_and_the_store_goes_on(lab: Lab) -> None:
    from pyesdb import DiskFull

    lab.append("s")
    pages = lab.rows("PRAGMA page_count")[0][0]
    lab.rows(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DiskFull):
        lab.append("s", [event(data=b"x" * 100_000, kind="text/plain") for _ in range(5)])
    lab.rows("PRAGMA max_page_count=1000000")
    assert lab.versions("s") == [0]
    assert stored(lab.append("s")) == (1, 1, 2)


class FailingCommit:
    """A connection whose next COMMIT fails, before or after it took effect."""

    def __init__(self, real: Any, *, after: bool) -> None:
        self._real = real
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, text: str, *args: Any) -> Any:
        if text != "COMMIT":
            return self._real.execute(text, *args)
        if self._after:
            self._real.execute(text)
        raise apsw.IOError("disk I/O error")


@pytest.mark.parametrize("after", [False, True], ids=["lost", "done"])
def test_a_commit_that_fails_is_resolved_by_what_is_recorded(lab: Lab, after: bool) -> None:
    from pyesdb.store.applier import CommitInDoubtError

    lab.append("s")
    command = lab.appending(("s", ANY, events(1)))
    lab.applier.begin()
    lab.applier.rollback()
    lab.applier._connection = FailingCommit(lab.applier._connection, after=after)  # type: ignore[assignment]
    with pytest.raises(CommitInDoubtError):
        lab.send(command)
    assert len(lab.answers) == 1  # nobody was answered
    found = lab.applier.recorded([command])[command.id]
    assert (found is not None) is after
    assert lab.versions("s") == ([0, 1] if after else [0])
    assert lab.tx.state.seq == (3 if after else 2)  # an entry stands behind it


def test_two_writers_take_notice_of_each_other(lab: Lab) -> None:
    other = Applier(lab.path, "os", lambda *_: None)
    for number in range(6):
        writer = other if number % 2 else lab.applier
        seq = writer.begin()[0]
        assert seq == number
        command = lab.appending(
            (f"s{number // 2}", ANY, [event(f"T{number}", tags=[f"t{number}"])])
        )
        stamped = c.AppendEvents(command.id, command.digest, 2 * START, command.appends)
        writer.deliver([c.Entry(seq + 1, lab.now + number, [stamped])])
    other.close()
    assert lab.rows("SELECT position, version FROM event ORDER BY 1") == [
        (n + 1, n % 2) for n in range(6)
    ]
    assert refused(lab.append("s0", 1, 0)) == "wrong_expected_version"
