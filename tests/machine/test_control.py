"""Configure, Freeze, Seal, RaiseMachine: what changes the rules for the commands behind it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pyesdb import NewerFormat
from pyesdb.machine.state import MACHINE_VERSION
from pyesdb.model import commands as c
from pyesdb.model.encoding import payload_key
from pyesdb.model.outcomes import Refused
from pyesdb.model.versions import ANY, NO_STREAM
from pyesdb.sqlite import files
from tests.machine.lab import SECOND, START, Lab, event, events, refused, stored, value


def limited(
    lab: Lab, setting: str, limit: int, over: c.AppendEvents, within: c.AppendEvents
) -> None:
    lab.configure(**{setting: limit})
    before = lab.content()
    outcome = lab.send(over)[0]
    assert refused(outcome) == "limit_exceeded"
    assert isinstance(outcome, Refused)
    assert outcome.fields["setting"] == setting
    assert outcome.fields["limit"] == limit
    assert outcome.fields["value"] > limit
    assert lab.content() == before
    assert not isinstance(lab.send(within)[0], Refused)


def test_max_event_bytes(lab: Lab) -> None:
    big, small = (event(data=b"x" * size, kind="text/plain") for size in (2000, 500))
    over = lab.appending(("s", ANY, [small, big]))
    limited(lab, "max_event_bytes", 1000, over, lab.appending(("s", ANY, [small, small, small])))


def test_max_append_events_counts_all_streams(lab: Lab) -> None:
    over = lab.appending(("a", ANY, events(2)), ("b", ANY, events(2)), many=True)
    within = lab.appending(("a", ANY, events(1)), ("b", ANY, events(2)), many=True)
    limited(lab, "max_append_events", 3, over, within)


def test_max_append_bytes(lab: Lab) -> None:
    over, within = (lab.appending(("s", ANY, events(n))) for n in (40, 39))
    limited(lab, "max_append_bytes", over.appends[0].size - 1, over, within)


def test_max_events_and_what_scavenge_gives_back(lab: Lab) -> None:
    lab.append("s", 3)
    over, within = (lab.appending(("s", ANY, events(n))) for n in (3, 2))
    limited(lab, "max_events", 5, over, within)
    assert refused(lab.append("s")) == "limit_exceeded"
    lab.do(c.TruncateStream, "s", 2)
    assert refused(lab.append("s")) == "limit_exceeded"  # hidden events still count
    lab.do(c.Scavenge, 0, 100)
    assert stored(lab.append("s", 2))[1] == 6


def test_max_bytes(lab: Lab) -> None:
    size = lab.appending(("s", ANY, events(1))).appends[0].size
    over, within = (lab.appending(("s", ANY, events(n))) for n in (4, 2))
    limited(lab, "max_bytes", size * 3, over, within)


def test_max_streams_counts_new_streams_only(lab: Lab) -> None:
    lab.append("a")
    over = lab.appending(("b", ANY, events(1)), ("c", ANY, events(1)), many=True)
    within = lab.appending(("a", ANY, events(1)), ("b", ANY, events(1)), many=True)
    limited(lab, "max_streams", 2, over, within)
    assert stored(lab.append("c", []))[0] == 0  # no event: no stream


def test_an_older_or_equal_revision_changes_nothing(lab: Lab) -> None:
    assert value(lab.do(c.Configure, 5, {"max_events": 1})) == 5
    for revision in (5, 4):
        assert value(lab.do(c.Configure, revision, {"max_events": 100})) == 5
    assert refused(lab.append("s", 2)) == "limit_exceeded"
    assert value(lab.do(c.Configure, 6, {})) == 6
    assert stored(lab.append("s", 2))[0] == 2


def test_settings_hold_from_the_next_command_on_and_after_reopening(lab: Lab) -> None:
    outcomes = lab.send(
        lab.appending(("s", ANY, events(2))),
        lab.make(c.Configure, 1, {"max_events": 2}),
        lab.appending(("s", ANY, events(1))),
    )
    assert stored(outcomes[0])[0] == 2
    assert refused(outcomes[2]) == "limit_exceeded"
    lab.reopen()
    assert refused(lab.append("s")) == "limit_exceeded"


@pytest.mark.parametrize("settings", [{"nonsense": 1}, {"max_events": "many"}, {"max_age": 1.5}])
def test_unknown_settings_are_refused_by_the_machine(lab: Lab, settings: dict[str, object]) -> None:
    before = lab.content()
    assert refused(lab.do(c.Configure, 1, settings)) == "invalid_config"
    assert lab.content() == before


def test_default_max_count_holds_at_the_next_append(lab: Lab) -> None:
    lab.append("s", 5)
    lab.configure(max_count=3)
    assert lab.stream("s")[1] == 0
    lab.append("s")
    assert lab.stream("s")[1] == 3
    lab.do(c.SetStreamMetadata, "s", {"max_count": 1})
    assert lab.stream("s")[1] == 5
    lab.do(c.SetStreamMetadata, "s", {"max_count": None})
    lab.append("s", 4)
    assert lab.stream("s")[1] == 7
    lab.configure()
    lab.append("s", 4)
    assert lab.stream("s")[1] == 7  # what is hidden stays hidden, nothing more is


def test_snapshots_keep(lab: Lab) -> None:
    lab.append("s", 6)
    lab.configure(snapshots_keep=2)
    for version in (0, 4, 2):
        lab.do(c.RecordSnapshot, "a", "s", version, b"%d" % version, "text/plain", b"")
    lab.do(c.RecordSnapshot, "b", "s", 1, b"", "text/plain", b"")
    found = lab.rows("SELECT source, version FROM snapshot ORDER BY 1, 2")
    assert found == [("a", 2), ("a", 4), ("b", 1)]


def test_snapshots_in_the_machine(lab: Lab) -> None:
    lab.append("s", 3)
    made = ("a", "s", 1, b"1", "text/plain", b"")
    when = value(lab.do(c.RecordSnapshot, *made))
    assert when == lab.now
    assert value(lab.do(c.RecordSnapshot, *made)) == when  # the same again
    assert refused(lab.do(c.RecordSnapshot, "a", "s", 1, b"2", "text/plain", b"")) == (
        "snapshot_conflict"
    )
    assert refused(lab.do(c.RecordSnapshot, "a", "s", 3, b"", "text/plain", b"")) == "request_error"
    lab.do(c.DeleteStream, "s", ANY)
    assert lab.rows("SELECT * FROM snapshot") == []
    assert refused(lab.do(c.RecordSnapshot, *made)) == "stream_deleted"


# -- the window of recorded outcomes


def test_records_are_pruned_behind_the_window_and_not_before(lab: Lab) -> None:
    lab.configure(dedup_window=600 * SECOND)
    old = lab.appending(("s", ANY, events(1)))
    lab.send(old, lab.appending(("s", ANY, events(1))))
    for _ in range(2):  # with the 1000th command, records are looked at: none is older
        lab.send(*[lab.make(c.Barrier) for _ in range(500)], at=START + 602 * SECOND)
    assert lab.send(old)[0].duplicate  # type: ignore[union-attr]
    for _ in range(4):
        lab.send(*[lab.make(c.Barrier) for _ in range(500)], at=lab.now + 600 * SECOND)
    assert lab.rows("SELECT count(*) FROM command WHERE id = ?", old.id) == [(0,)]
    again = msgspec.structs.replace(lab.entries[1].commands[0])
    assert refused(lab.send(again)[0]) == "deadline_exceeded"  # forgotten, and too late to be new
    kept = lab.rows("SELECT count(*) FROM command WHERE time >= ?", lab.now - 600 * SECOND)[0][0]
    assert kept >= 500


# -- indexed payload


def test_indexed_payload_indexes_what_is_there_what_comes_and_drops(lab: Lab) -> None:
    def indexed() -> list[tuple[object, ...]]:
        return lab.rows("SELECT path, value, position FROM event_payload ORDER BY 1, 3")

    def of(text: bytes, kind: str | None = None) -> tuple[object, ...]:
        return event(data=text, kind=kind)

    lab.append("s", [of(b'{"a": {"b": 1}, "c": "x"}'), of(b"\xff", "application/octet-stream")])
    lab.configure(indexed_payload=["a.b"])
    one = payload_key(1)
    assert indexed() == [("a.b", one, 1)]
    lab.append("s", [of(b'{"a": {"b": 1.0}}'), of(b"not json"), of(b'{"a": [1]}'), of(b"{}")])
    assert indexed() == [("a.b", one, 1), ("a.b", one, 3)]
    lab.configure(indexed_payload=["c"])
    assert indexed() == [("c", payload_key("x"), 1)]
    lab.do(c.TruncateStream, "s", 1)
    lab.do(c.Scavenge, 0, 10)
    assert indexed() == []


# -- frozen, sealed


def test_frozen_refuses_changes_and_thaws(lab: Lab) -> None:
    lab.append("s")
    known = lab.appending(("s", ANY, events(1)))
    lab.send(known)
    lab.do(c.Freeze, True)
    for command in (
        lab.appending(("s", ANY, events(1))),
        lab.make(c.DeleteStream, "s", ANY),
        lab.make(c.Scavenge, 0, 1),
        lab.make(c.Expire, lab.now, 0, 10),
    ):
        assert refused(lab.send(command)[0]) == "store_frozen"
    assert lab.send(known)[0].duplicate  # type: ignore[union-attr]
    assert value(lab.do(c.Barrier)) is None
    lab.reopen()
    assert refused(lab.append("s")) == "store_frozen"
    lab.do(c.Freeze, False)
    assert stored(lab.append("s"))[1] == 2


def test_nothing_is_accepted_behind_a_seal_in_the_same_entry_too(lab: Lab) -> None:
    outcomes = lab.send(
        lab.appending(("s", ANY, events(1))),
        lab.make(c.Seal, True),
        lab.appending(("s", ANY, events(1))),
        lab.make(c.Barrier),
        lab.make(c.Configure, 1, {}),
    )
    assert stored(outcomes[0])[0] == 1
    assert [refused(outcome) for outcome in outcomes[2:]] == ["store_removed"] * 3
    lab.reopen()
    assert lab.tx.sealed
    assert refused(lab.append("s")) == "store_removed"
    lab.do(c.Seal, False)
    assert stored(lab.append("s"))[1] == 1


# -- versions of the machine and the file


def test_a_machine_version_from_the_future_is_refused(lab: Lab) -> None:
    assert refused(lab.do(c.RaiseMachine, MACHINE_VERSION + 1)) == "newer_format"
    assert value(lab.do(c.RaiseMachine, MACHINE_VERSION)) == MACHINE_VERSION
    assert value(lab.do(c.RaiseMachine, 0)) == MACHINE_VERSION  # never back
    assert lab.meta()["machine"] == MACHINE_VERSION


def change_file(path: Path, text: str) -> None:
    connection = files.open_writer(path, durability="os")
    connection.execute(text).fetchall()
    connection.close()


def test_a_file_with_a_newer_machine_is_refused_and_not_touched(lab: Lab) -> None:
    lab.append("s")
    lab.close()
    newer = f"UPDATE meta SET value = {MACHINE_VERSION + 1} WHERE key = 'machine'"
    change_file(lab.path, newer)
    with pytest.raises(NewerFormat, match="upgrade"):
        lab.append("s")
    lab.close()
    change_file(lab.path, f"UPDATE meta SET value = {MACHINE_VERSION} WHERE key = 'machine'")
    assert stored(lab.append("s"))[1] == 1


def test_a_file_of_a_newer_format_is_refused(lab: Lab) -> None:
    lab.append("s")
    lab.close()
    change_file(lab.path, f"PRAGMA user_version={files.FORMAT + 1}")
    with pytest.raises(NewerFormat, match="upgrade"):
        lab.append("s")


def test_the_machine_moved_on_while_this_process_had_the_file_open(lab: Lab) -> None:
    lab.append("s")
    other = Lab(lab.path)
    other.now = lab.now
    other.made = 10_000
    other.append("s", 1, 0)
    assert refused(lab.append("s", 1, NO_STREAM)) == "wrong_expected_version"
    assert stored(lab.append("s", 1, 1))[1:] == (2, 3)
    other.close()
