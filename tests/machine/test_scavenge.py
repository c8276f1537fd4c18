"""Scavenge: reclaims what is hidden, in steps, and everything left can be verified."""

from __future__ import annotations

from typing import Any

import pytest

from pyesdb.machine.state import stored_digest
from pyesdb.machine.transaction import Tx
from pyesdb.model import commands as c
from pyesdb.model.encoding import decode_json
from pyesdb.model.outcomes import Appended
from pyesdb.model.versions import ANY, EXISTS
from tests.machine.lab import Lab, event, events, refused, stored, value

EVENTS = """
SELECT e.version, e.position, e.digest, t.name, e.id, e.time, e.content_type, e.data, e.metadata,
    e.tags, e.created
FROM event e JOIN type t ON t.id = e.type WHERE e.stream = ? ORDER BY e.version
"""


def digest_of(stream: int, rows: list[tuple[Any, ...]]) -> bytes:
    """The digest of one append's events as they stand in the file, computed from nothing else."""
    records = [(*row[3:9], tuple(decode_json(row[9], "tags")) if row[9] else ()) for row in rows]
    content = c.events_digest(records)  # type: ignore[arg-type]
    return stored_digest(content, stream, rows[0][0], rows[0][1], rows[0][10], len(rows))


def verify(lab: Lab, appended: dict[tuple[int, int], bytes]) -> None:
    """Every append is whole, or pruned with its digest and, if something is left, the rest's."""
    seen = set()
    for (stream,) in lab.rows("SELECT id FROM stream ORDER BY id"):
        rows = lab.rows(EVENTS, stream)
        pruned = {
            last: (first, digest, kept)
            for first, last, digest, kept in lab.rows(
                "SELECT first, last, digest, kept FROM pruned WHERE stream = ?", stream
            )
        }
        start = 0
        for index, row in enumerate(rows):
            if row[2] is None:
                continue
            mine = rows[start : index + 1]
            start = index + 1
            found = digest_of(stream, mine)
            seen.add((stream, row[0]))
            assert row[2] == appended[stream, row[0]]  # kept as it was appended
            if row[0] in pruned:
                first, digest, kept = pruned.pop(row[0])
                assert (digest, kept) == (row[2], found)
                assert first < mine[0][0]
            else:
                assert row[2] == found
        assert start == len(rows)  # no events without a digest behind them
        for last, (_, digest, kept) in pruned.items():
            seen.add((stream, last))
            assert kept is None
            assert digest == appended[stream, last]
    assert seen == set(appended)


def digests(lab: Lab) -> dict[tuple[int, int], bytes]:
    rows = lab.rows("SELECT stream, version, digest FROM event WHERE digest IS NOT NULL")
    return {(stream, version): digest for stream, version, digest in rows}


def sweep(lab: Lab, limit: int = 1000) -> int:
    """All the steps; how many events went."""
    removed, after = 0, 0
    for _ in range(1000):
        swept, _, after = value(lab.do(c.Scavenge, after, limit))
        assert swept <= limit
        removed += swept
        if after is None:
            return removed
    raise AssertionError("scavenge does not come to an end")


@pytest.fixture
def filled(lab: Lab) -> Lab:
    """Appends of 3, 1 and 4 events, between those of another stream."""
    for count in (3, 1, 4):
        lab.append("s", [event("T", tags=["x", "y"], data=b'{"n":1}') for _ in range(count)])
        lab.append("other", 2, ANY)
    return lab


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
@pytest.mark.parametrize("cut", range(9))
def test_every_cut_in_every_step_is_verifiable(filled: Lab, cut: int, limit: int) -> None:
    appended = digests(filled)
    others = filled.rows("SELECT * FROM event WHERE stream = 2 ORDER BY position")
    filled.do(c.TruncateStream, "s", cut)
    after, steps = 0, 0
    while after is not None and steps < 100:
        after = value(filled.do(c.Scavenge, after, limit))[2]
        verify(filled, appended)
        steps += 1
    assert filled.versions("s") == list(range(cut, 8))
    assert filled.stream("s") == (0, cut, cut)
    assert filled.rows("SELECT * FROM event WHERE stream = 2 ORDER BY position")[:-1] == others[:-1]
    assert stored(filled.append("s", 1, 7))[1:] == (8, 15)


@pytest.mark.parametrize("cut", [30, 61, 100, 120])
def test_a_step_has_few_events_in_memory_at_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    for _ in range(12):
        lab.append("s", events(10, data=b"x" * 1000))
    appended = digests(lab)
    lab.do(c.TruncateStream, "s", cut)
    real, sizes = Tx.all, [0]

    def all_(tx: Tx, name: str, *args: Any) -> list[tuple[Any, ...]]:
        rows = real(tx, name, *args)
        sizes.append(sum(len(v) for row in rows for v in row if isinstance(v, bytes)))
        return rows

    monkeypatch.setattr(Tx, "all", all_)
    assert value(lab.do(c.Scavenge, 0, 500))[0] == cut
    assert max(sizes) < 18 * 1100
    verify(lab, appended)
    assert lab.versions("s") == list(range(cut, 120))


def test_cut_after_cut_keeps_the_first_digest(filled: Lab) -> None:
    appended = digests(filled)
    for cut in (1, 2, 5, 6, 7, 8):
        filled.do(c.TruncateStream, "s", cut)
        sweep(filled, 1)
        verify(filled, appended)
    assert filled.versions("s") == []
    assert filled.rows("SELECT first, last FROM pruned ORDER BY last") == [(0, 2), (3, 3), (4, 7)]


def test_tag_rows_go_and_kept_ones_stay(filled: Lab) -> None:
    filled.do(c.TruncateStream, "s", 4)
    sweep(filled)
    positions = [row[0] for row in filled.rows("SELECT position FROM event WHERE stream = 1")]
    wanted = sorted((tag, position) for tag in (1, 2) for position in positions)
    assert filled.rows("SELECT tag, position FROM event_tag ORDER BY 1, 2") == wanted


@pytest.mark.parametrize("known", ["remembered", "reopened"])
def test_versions_and_positions_are_never_used_again(filled: Lab, known: str) -> None:
    """LESSONS 6: the version is stored, not counted; also when nothing of the stream is left."""
    filled.do(c.DeleteStream, "s", ANY)
    filled.do(c.DeleteStream, "other", ANY)
    sweep(filled)
    assert filled.rows("SELECT count(*) FROM event") == [(0,)]
    if known == "reopened":
        filled.reopen()
    assert stored(filled.append("s", 2, 7)) == (2, 9, 16)
    assert filled.rows("SELECT position FROM event ORDER BY 1") == [(15,), (16,)]


def test_tombstoned_streams_are_reclaimed_and_stay_tombstoned(filled: Lab) -> None:
    filled.do(c.DeleteStream, "s", 7, True)
    assert sweep(filled) == 8
    filled.reopen()
    assert refused(filled.append("s")) == "stream_tombstoned"


@pytest.mark.parametrize("known", ["remembered", "reopened"])
def test_what_is_remembered_of_a_swept_stream_changes_no_outcome(lab: Lab, known: str) -> None:
    """The answer of an append without events names the last event, if there is one."""
    new = events(2)
    lab.append("s", new)
    lab.do(c.TruncateStream, "s", 2)
    sweep(lab)
    if known == "reopened":
        lab.reopen()
    nothing = lab.append("s", [], EXISTS)
    assert isinstance(nothing, Appended)
    assert nothing.results == ((1, 0, 1, -1),)
    assert stored(lab.append("s", new)) == (2, 3, 4)  # these events are gone: no repeat


def test_the_quotas_counters_follow(filled: Lab) -> None:
    assert filled.tx.state.events == 14
    filled.do(c.TruncateStream, "s", 5)
    sweep(filled, 2)
    assert filled.tx.state.events == 9
    filled.reopen()
    assert filled.tx.state.events == 9
    assert filled.tx.state.bytes > 0


def test_a_step_does_not_reclaim_more_than_it_says(filled: Lab) -> None:
    filled.do(c.TruncateStream, "s", 8)
    filled.do(c.TruncateStream, "other", 6)
    assert value(filled.do(c.Scavenge, 0, 5))[0] == 5
    assert len(filled.versions("s")) == 3
    assert sweep(filled, 5) == 9


def test_more_streams_than_one_step_looks_at(lab: Lab) -> None:
    lab.send(*[lab.appending((f"s{n}", ANY, events(2))) for n in range(250)])
    for number in range(250):
        lab.do(c.TruncateStream, f"s{number}", 1)
    assert sweep(lab) == 250
    assert lab.rows("SELECT count(*) FROM event") == [(250,)]


def test_what_a_subscription_still_owes_is_kept(filled: Lab) -> None:
    number = value(filled.do(c.SaveSubscription, "sub", (), 2, {}))
    filled.do(c.TruncateStream, "s", 8)
    appended = digests(filled)
    assert sweep(filled) == 2  # positions 1 and 2
    verify(filled, appended)
    assert filled.stream("s") == (0, 8, 2)
    value(filled.do(c.Claim, number, 0, b"me", 2, 14, (3, 4, 5, 6), 9))
    assert sweep(filled) == 0  # in flight
    assert value(filled.do(c.Settle, number, 0, b"me", (3, 4, 5, 6))) == 4
    assert sweep(filled) == 6
    verify(filled, appended)
