"""The whole year of flights into one store: killed five times anywhere, imported twice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import click
import pytest

import pyesdb
from pyesdb.cli.demo import source
from tests.transfer import flights


@pytest.mark.stress
def test_the_year_killed_five_times_and_imported_twice(tmp_path: Path) -> None:
    try:
        year = source.year().path
    except click.UsageError as error:
        pytest.skip(str(error))
    data, file = tmp_path / "data", tmp_path / "year.jsonl"
    told = flights.write(year, file)
    seed = random.randrange(1 << 32)
    print(f"\nseed {seed}, {len(told):,} events")
    chance = random.Random(seed)
    pyesdb.open(data).close()
    with flights.dying(data, file) as process:
        for _ in range(5):
            number = chance.randrange(1, 1500)  # a batch, or milliseconds
            place = chance.choice(["before", "behind", "any", "any"])
            assert flights.ask(process, number, place) == "died"
        start = time.monotonic()
        stored, skipped = map(int, flights.ask(process, 0, "-").split())
        print(f"{stored:,} events behind {skipped:,} in {time.monotonic() - start:.1f} s")
        assert stored + skipped == len(told)
        assert flights.ask(process, 0, "-") == f"0 {len(told)}"
    flights.check_each_event_once(data, year, told)
