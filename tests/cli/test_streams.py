"""`pyesdb stream`, `snapshot`, `audit`, selections, completion."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell


@pytest.fixture
def filled(shell: Shell) -> Shell:
    for number in range(4):
        shell(
            "append", f"order-{number % 2}", "Placed", f'{{"n": {number}}}', "--tag", f"n:{number}"
        )
    return shell


def test_a_stream_from_truncation_to_tombstone(filled: Shell) -> None:
    (info,) = filled("stream", "truncate", "order-0", "--before", "1", "--json").documents
    assert (info["first_version"], info["count"]) == (1, 1)
    (info,) = filled("stream", "metadata", "order-0", "--max-age", "30d", "--json").documents
    assert info["max_age"] == 30 * 86400
    (info,) = filled("stream", "metadata", "order-0", "--max-age", "none", "--json").documents
    assert info["max_age"] is None
    filled("stream", "metadata", "order-0", code=2)
    filled("stream", "delete", "order-0", "--expected", "7", code=4)
    assert filled("stream", "delete", "order-0", "--json").documents[0]["state"] == "deleted"
    filled("append", "order-0", "Placed")
    filled("stream", "tombstone", "order-0", "--yes")
    filled("append", "order-0", "Placed", code=3)
    filled("stream", "info", "nothing", code=3)


def test_snapshots_from_stdin(filled: Shell) -> None:
    filled("snapshot", "record", "cart", "order-1", "1", "-", stdin='{"total": 3}')
    filled("snapshot", "record", "cart", "order-1", "1", '{"total": 4}', code=4)
    filled("snapshot", "record", "cart", "order-1", "1", "{", code=2)
    (found,) = filled("snapshot", "show", "cart", "order-1", "--json").documents
    assert found["data"] == {"total": 3}
    filled("snapshot", "delete", "cart", "order-1")
    filled("snapshot", "show", "cart", "order-1", code=3)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["--stream", "order-0"], [0, 2]),
        (["--stream", "order-0", "--stream", "order-1", "--tag", "n:3"], [3]),
        (["--prefix", "order-"], [0, 1, 2, 3]),
        (["--prefix", "invoice-"], []),
        (["--payload", "n=2"], [2]),
        (["--payload", "n=2", "--stream", "order-1"], []),
        (["--type", "Placed", "--after", "3"], [3]),
    ],
)
def test_a_selection(filled: Shell, words: list[str], numbers: list[int]) -> None:
    found = filled("read", "--all", "--json", *words).documents
    assert [event["data"]["n"] for event in found] == numbers


def test_a_selection_that_is_none(filled: Shell) -> None:
    assert "PATH=VALUE" in filled("read", "--all", "--payload", "n", code=2).err


def test_the_audit_names_who_and_what(filled: Shell) -> None:
    filled("store", "create", "acme")
    lines = filled("audit", "--store", "acme").lines
    assert lines[0].split() == ["POSITION", "WHEN", "WHO", "WHAT", "OF", "WITH"]
    assert [line.split()[4] for line in lines[1:]] == ["StoreCreated", "StoreReady"]
    assert len(filled("audit", "--limit", "1", "--json").documents) == 1
