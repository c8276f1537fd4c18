"""Delays per airline, a read model of the demo's flights, against a count that knows nothing of it.

The flights of January, in a store for each airline, arrive while the read model is built, and built
anew. The count comes straight from the csv (pyesdb.cli.demo.check).
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import pyesdb
from pyesdb.cli.demo import check, flights
from pyesdb.cli.demo.delays import Keeper
from pyesdb.cli.demo.loader import batches
from pyesdb.cli.demo.source import JANUARY, store_id
from pyesdb.projections import Projection

Delays = dict[str, tuple[int, int]]

delays = Projection("delays", batch=2000)


@delays.setup
def table(tx: sqlite3.Connection) -> None:
    tx.execute(
        "CREATE TABLE IF NOT EXISTS delays "
        "(airline TEXT, destination TEXT, arrivals INTEGER, minutes INTEGER, "
        "PRIMARY KEY (airline, destination)) WITHOUT ROWID"
    )


@delays.reset
def clear(tx: sqlite3.Connection, store: str) -> None:
    tx.execute("DELETE FROM delays WHERE airline = ?", (store,))


@delays.on("FlightArrived")
def arrived(tx: sqlite3.Connection, event: pyesdb.RecordedEvent) -> None:
    data = event.json()
    tx.execute(
        "INSERT INTO delays VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE "
        "SET arrivals = arrivals + 1, minutes = minutes + excluded.minutes",
        (event.store, data["destination"], data["delay_minutes"]),
    )


def found(file: Path) -> dict[tuple[str, str], tuple[int, int]]:
    connection = sqlite3.connect(file)
    try:
        rows = connection.execute("SELECT * FROM delays").fetchall()
    finally:
        connection.close()
    return {(airline, place): (arrivals, minutes) for airline, place, arrivals, minutes in rows}


@pytest.mark.slow
def test_delays_per_airline_rebuilt_while_flights_arrive(tmp_path: Path) -> None:
    planned = flights.read(JANUARY)
    file = tmp_path / "delays.db"
    failed: list[BaseException] = []
    with pyesdb.open(tmp_path / "data", durability="os") as db:
        stores: dict[str, Any] = {code: db.create_store(store_id(code)) for code in planned}
        loaded = {code: threading.Event() for code in planned}

        def load() -> None:
            try:
                for code, rows in planned.items():
                    for batch in batches(rows, 0):
                        db.store(store_id(code)).append_many(
                            [pyesdb.Append(*one) for one in batch.streams.items()]
                        )
                    loaded[code].set()
            except BaseException as error:
                failed.append(error)
                raise

        loading = threading.Thread(target=load)
        loading.start()
        rebuilt = 0
        while loading.is_alive():
            for store in stores.values():
                delays.catch_up(store, file)
            busy = next((code for code in planned if not loaded[code].is_set()), None)
            if busy is not None:
                delays.rebuild(stores[busy], file)
                rebuilt += 1
        loading.join()
        assert not failed
        assert rebuilt > 1
        for store in stores.values():
            assert delays.catch_up(store, file).lag == 0
    expected = check.count(JANUARY)
    assert found(file) == {
        (store_id(carrier), place): (arrivals, expected.delay_minutes[carrier, place])
        for (carrier, place), arrivals in expected.arrivals.items()
    }


def test_what_ends_the_demos_keeper_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step that shows the table fails by it; else it would praise what stood still."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    run: Any = SimpleNamespace(flying=["UA"])
    monkeypatch.setattr(Keeper, "_project", full)
    keeper = Keeper(run)
    keeper.keep()
    assert keeper.trouble == "OperationalError: database or disk is full"
