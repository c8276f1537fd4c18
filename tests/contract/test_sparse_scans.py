"""API "Read": selectors of which little is found among much, scanned in spans of positions."""

from __future__ import annotations

from typing import Any

import pytest

from pyesdb import select
from pyesdb.store import plans, reads
from pyesdb.store.reads import Read
from tests.contract.tools import one, positions

S = select
SPARSE = {
    "prefix": (S.pattern(stream="a-*"), lambda n: n % 3 == 0),
    "prefix and type": (S.pattern(stream="a-*", type="T*"), lambda n: n % 3 == 0 and n % 7 == 0),
    "tags": (S.tags("x", "y"), lambda n: n % 110 == 0),
    "tags that never meet": (S.tags("x", "z"), lambda n: False),
    "types in a prefix": (
        S.event_type("T") & S.pattern(stream="b-*"),
        lambda n: n % 7 == 0 and n % 3 > 0,
    ),
    "one or the other": (S.tags("x", "y") | S.stream("a-6"), lambda n: n % 110 == 0 or n == 6),
}


@pytest.fixture(scope="module")
def wide(kept_store: Any) -> Any:
    """400 events in as many streams, with few of what selectors ask for."""
    for n in range(1, 401):
        tags = [t for t, every in (("x", 10), ("y", 11)) if n % every == 0]
        tags += ["z"] if n % 10 == 5 else []
        kept_store.append(f"{'abb'[n % 3]}-{n}", one("U" if n % 7 else "T", tags=tags))
    return kept_store


@pytest.mark.usefixtures("unrecorded")
@pytest.mark.parametrize("case", SPARSE)
def test_a_scan_that_finds_little_goes_in_spans_and_finds_it_all(
    wide: Any, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "SPAN", 30)
    monkeypatch.setattr(plans, "_NARROW", 5)
    monkeypatch.setattr(plans, "_STREAMS_MAX", 2)
    pieces: list[Read] = []
    real = Read._fetch
    monkeypatch.setattr(Read, "_fetch", lambda r, reader: (pieces.append(r), real(r, reader))[1])
    chosen, right = SPARSE[case]
    wanted = [n for n in range(1, 401) if right(n)]
    assert positions(wide.read_all(select=chosen).to_list()) == wanted
    assert len(pieces) >= 400 // 30, "others wait for a long statement, and nothing can end it"
    assert positions(wide.read_all(select=chosen, backwards=True).to_list()) == wanted[::-1]
    for limit in (1, 3):
        assert positions(wide.read_all(select=chosen, limit=limit).to_list()) == wanted[:limit]
        newest = wide.read_all(select=chosen, limit=limit, backwards=True).to_list()
        assert positions(newest) == wanted[::-1][:limit]
    for after, before in ((29, 31), (30, 61), (31, 62), (100, 230), (369, 401)):
        between = [n for n in wanted if after < n < before]
        for backwards in (False, True):
            found = wide.read_all(select=chosen, after=after, before=before, backwards=backwards)
            assert sorted(positions(found.to_list())) == between
    with wide.read_all(select=chosen) as events:
        assert (len(events.to_list()), events.head) == (len(wanted), 400)
