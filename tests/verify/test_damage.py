"""Each kind of damage is found and named, with advice; and nothing else is said to be broken."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pyesdb.sqlite import pages
from pyesdb.store.verify import verify_file
from tests.machine.lab import Lab
from tests.verify.tools import change, change_unindexed, checkpoint, fill, flip, told

PAGE = 4096
IDENTITY = {"store": "lab", "incarnation": 1}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "store.db"
    lab = Lab(path)
    fill(lab)
    lab.close()
    checkpoint(path)
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "store.db"))


def test_a_whole_file_verifies(path: Path) -> None:
    found = verify_file(path, IDENTITY)
    assert told(found) == []
    assert found.ok
    assert (found.events, found.streams, found.entries) == (257, 7, 1001)


def test_verifying_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    verify_file(path, IDENTITY, read_only=True)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["store.db"]


def test_a_flipped_byte_in_any_page_is_found_and_the_page_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_PAUSE_S", 0)
    for number in range(1, path.stat().st_size // PAGE + 1):
        flip(path, (number - 1) * PAGE + 1000)
        found = verify_file(path, IDENTITY)
        assert f"{path}: page {number}" in [p.where for p in found.problems], told(found)
        assert not found.ok
        assert all(p.advice for p in found.problems)
        flip(path, (number - 1) * PAGE + 1000)
    assert verify_file(path, IDENTITY).ok


def test_behind_a_damaged_page_it_goes_on(path: Path) -> None:
    """Two damaged leaves of the table of events: both named, and what lies behind them is read."""
    lab = Lab(path)
    leaves = lab.rows(
        "SELECT pageno FROM dbstat WHERE name = 'event' AND pagetype = 'leaf' ORDER BY path"
    )
    lab.close()
    checkpoint(path)
    change(
        path,
        "UPDATE event SET data = x'31' WHERE position = (SELECT max(position) FROM event)",
    )
    checkpoint(path)
    for (number,) in (leaves[2], leaves[5]):
        flip(path, number * PAGE - 500)
    found = verify_file(path, IDENTITY)
    unreadable = [line for line in told(found) if "cannot all be read" in line]
    assert len(unreadable) == 2
    assert any("digest differs" in line for line in told(found)), told(found)
    assert 150 < found.events < 257


def test_a_shortened_file_is_found(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3 * PAGE)
    found = verify_file(path, IDENTITY)
    assert any("3 pages earlier" in line for line in told(found)), told(found)


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, b"\0" * 8192])
def test_what_is_no_store_at_all_is_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = verify_file(path, IDENTITY)
    assert not found.ok
    assert "restore" in found.problems[0].advice


LAST = "(SELECT max(position) FROM event)"
DAMAGE: dict[str, tuple[str, ...]] = {
    # what is changed -> the statements, and what must be said of it
    "data": (
        "UPDATE event SET data = x'7b7d20' WHERE position = 9",
        "stream 's1', version 0-4, position 6-10 | .*digest",
    ),
    "metadata": ("UPDATE event SET metadata = x'7b7d' WHERE position = 9", "6-10 | .*digest"),
    "id": ("UPDATE event SET id = zeroblob(16) WHERE position = 9", "6-10 | .*digest"),
    "time": ("UPDATE event SET time = 5 WHERE position = 9", "6-10 | .*digest"),
    "content type": ("UPDATE event SET content_type = 'a/b' WHERE position = 9", "6-10 | .*digest"),
    "type": ("UPDATE event SET type = 3 WHERE position = 9", "6-10 | .*digest"),
    "digest": ("UPDATE event SET digest = zeroblob(16) WHERE position = 10", "6-10 | .*digest"),
    "digest gone": ("UPDATE event SET digest = NULL WHERE position = 10", "6-15 | .*digest"),
    "created": ("UPDATE event SET created = created + 1 WHERE position = 9", "9 | .created."),
    "created late": (
        f"UPDATE event SET created = created * 2 WHERE position = {LAST}", "| .created. is not"),
    "swapped versions": (
        "UPDATE event SET version = -1 WHERE position = 1",
        "UPDATE event SET version = 0 WHERE position = 2",
        "UPDATE event SET version = 1 WHERE position = 1", "position 1-5 | .*digest"),
    "other stream": ("UPDATE event SET stream = 6, version = 900 WHERE position = 5",
                     "position 5 | version 899 is missing"),
    "an event": ("DELETE FROM event WHERE position = 8", "version 3, .*version 2 is missing"),
    "an append": ("DELETE FROM event WHERE position BETWEEN 161 AND 165",
                  "positions 161-165 | 5 events are missing"),
    "the last append": (f"DELETE FROM event WHERE position > {LAST} - 2", "behind the last entry"),
    "the last event": (f"DELETE FROM event WHERE position = {LAST}", "the end of this append"),
    "tags in an event": ("UPDATE event SET tags = x'5b227a225d' WHERE position = 9", "tag 'z'"),
    "tags no list": ("UPDATE event SET tags = x'00ff' WHERE position = 9", "position 9 | its tags"),
    "a tag row": ("DELETE FROM event_tag WHERE tag = 1 AND position = 9", "9, .*by its tag 'a'"),
    "a tag row too many": ("INSERT INTO event_tag VALUES (1, 249)", "tag 1, position 249"),
    "a tag's name": ("DELETE FROM tag WHERE name = 'b8'", "position 41, .*by its tag 'b8'"),
    "a type's name": ("DELETE FROM type WHERE name = 'T1'", "position 6 | the name of its type"),
    "a payload row": ("DELETE FROM event_payload WHERE position = 9", "9, .*'customer.id'"),
    "a payload row too many": (
        "INSERT INTO event_payload VALUES ('customer.id', 'n:77', 9)", "position 9 | no event"),
    "a payload path too many": (
        "INSERT INTO event_payload VALUES ('other', 'n:77', 9)", "other, position 9 | no event"),
    "events": ("{state}events", "counter of events"),
    "bytes": ("{state}bytes", "counter of bytes"),
    "streams": ("{state}streams", "counter of streams"),
    "position": ("{state}position", "the last position is"),
    "an entry's state": (
        "UPDATE event SET entry = (SELECT entry FROM event WHERE position = 5) WHERE position = 25",
        "position 25, entry .* does not follow"),
    "an entry's bytes": ("UPDATE event SET entry = x'c1' WHERE position = 25", "25 | its state"),
    "the last state": (f"UPDATE event SET entry = x'c1' WHERE position = {LAST}", "the last state"),
    "the state's head": ("UPDATE state SET head = head + 1", "table state | its head"),
    "the state's value": ("UPDATE state SET value = x'c1'", "the last state | it cannot be read"),
    "a mark": ("UPDATE mark SET chain = zeroblob(16)", "mark 1000 | the chain differs"),
    "no mark": ("DELETE FROM mark", "mark 1000 | it is missing"),
    "a mark too many": ("INSERT INTO mark VALUES (77, zeroblob(16))", "mark 77"),
    "a stream": ("DELETE FROM stream WHERE name = 's2'", "the row of its stream 3 is missing"),
    "first of a stream": ("UPDATE stream SET first = 900 WHERE name = 's0'", "stream 's0'"),
    "swept of a stream": ("UPDATE stream SET swept = 9, first = 9 WHERE name = 's0'",
                          "every version below 9 was reclaimed"),
    "state of a stream": ("UPDATE stream SET state = 1 WHERE name = 's0'", "stream 's0'"),
    "kept digest": ("UPDATE pruned SET kept = zeroblob(16)", "their digest differs"),
    "recorded digest": ("UPDATE pruned SET digest = zeroblob(16)", "kept by a scavenge"),
    "pruned": ("DELETE FROM pruned", "events are missing that no scavenge reclaimed"),
    "pruned too many": (
        "INSERT INTO pruned SELECT position, 1, version, version, id, NULL FROM event LIMIT 1",
        "pruned append at position 1 "),
    "snapshot": ("UPDATE snapshot SET version = 4000", "snapshot of 's0' by 'src' at version 4000"),
    "snapshot of nothing": ("UPDATE snapshot SET stream = 'x'", "snapshot of 'x'"),
    "snapshot's metadata": ("UPDATE snapshot SET metadata = x'00'", "snapshot of 's0'"),
    "subscription": ("UPDATE subscription SET clauses = x'c1'", "subscription 'sub'"),
    "delivery": ("UPDATE delivery SET position = 9000 WHERE position = 60", "position 9000"),
    "delivery of nobody": ("UPDATE delivery SET subscription = 5", "subscription row 5"),
    "command": ("UPDATE command SET outcome = x'c1'", "recorded outcome cannot be read"),
    "incarnation": ("UPDATE meta SET value = 2 WHERE key = 'incarnation'", "its incarnation is 2"),
    "store": ("UPDATE meta SET value = 'other' WHERE key = 'store'", "its store is 'other'"),
    "index by type": (
        "DELETE FROM sqlite_schema WHERE name = 'event_by_type'", "event_by_type"),
}  # fmt: skip


def counter(path: Path, name: str) -> None:
    """Raise one counter of the last state by one."""
    import msgspec

    from pyesdb.machine.state import decode_state, encode_state

    lab = Lab(path)
    ((value,),) = lab.rows("SELECT entry FROM event ORDER BY position DESC LIMIT 1")
    lab.close()
    state = decode_state(value)
    wrong = msgspec.structs.replace(state, **{name: getattr(state, name) + 1})
    change(path, f"UPDATE event SET entry = x'{encode_state(wrong).hex()}' WHERE position = {LAST}")


@pytest.mark.parametrize("kind", DAMAGE)
def test_logical_damage_is_found_and_named(path: Path, kind: str) -> None:
    import re

    *texts, said = DAMAGE[kind]
    if texts[0].startswith("{state}"):
        counter(path, texts[0].removeprefix("{state}"))
    else:
        change(path, *texts)
    found = verify_file(path, IDENTITY)
    lines = told(found)
    pattern = said.replace(" | ", r".* \| ").replace("| ", r"\| ") if "|" in said else said
    assert any(re.search(pattern, line) for line in lines), lines
    assert not found.ok
    assert all(problem.advice for problem in found.problems)


@pytest.mark.parametrize(
    ("index", "text", "said"),
    [
        (
            "event_by_type",
            "UPDATE event SET type = 3 WHERE position = 9",
            ["position 9, index event_by_type | ", "index event_by_type, type 2, position 9 | "],
        ),
        (
            "event_by_stream",
            "UPDATE event SET version = 900 WHERE position = 9",
            [
                "position 9, index event_by_stream | ",
                "index event_by_stream, stream 's1', version 3, position 9 | ",
            ],
        ),
        ("stream_to_sweep", "UPDATE stream SET first = 3 WHERE name = 's2'", ["table stream | "]),
        ("sqlite_autoindex_tag_1", "", ["while walking tag | "]),
    ],
)
def test_an_index_that_disagrees_with_its_table(
    path: Path, index: str, text: str, said: list[str]
) -> None:
    if text:
        change_unindexed(path, index, text)
    else:
        change(path, "CREATE TABLE copy (id, name)")
        change(path, f"UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema "
                     f"WHERE name = 'copy') WHERE name = '{index}'")  # fmt: skip
    lines = told(verify_file(path, IDENTITY))
    assert [part for part in said if not any(part in line for line in lines)] == [], lines


def test_problems_are_bounded_in_number(path: Path) -> None:
    change(path, "DELETE FROM event_tag")
    found: Any = verify_file(path, IDENTITY)
    assert len(found.problems) == 26
    assert found.problems[-1].what.startswith("3")
