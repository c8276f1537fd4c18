"""An import that is killed again and again, and then repeated, stores each event once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import pyesdb
from pyesdb.cli.demo import source
from tests.transfer import flights


@pytest.mark.slow
def test_january_killed_five_times_and_imported_twice(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "january.jsonl"
    told = flights.write(source.JANUARY, file)
    pyesdb.open(data, durability="os").close()  # kill -9 takes nothing from the system's cache
    chance = random.Random(2013)
    stored = 0
    with flights.dying(data, file) as process:
        for place in ("before", "behind", "behind", "before", "behind"):
            batch = chance.randrange(2, 120)
            assert flights.ask(process, batch, place) == "died"
            with pyesdb.open(data, read_only=True) as db:
                recorded = db.store().tracked("flights")
                assert recorded == db.store().read_all(backwards=True, limit=1).head
            assert recorded is not None
            assert recorded > stored
            stored = recorded
        assert stored < len(told)
        assert flights.ask(process, 0, "-") == f"{len(told) - stored} {stored}"
        assert flights.ask(process, 0, "-") == f"0 {len(told)}"
    flights.check_each_event_once(data, source.JANUARY, told)
