"""A fork at any position verifies: of a store with a little of everything."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pyesdb.node.backup import last_state
from pyesdb.sqlite import files
from pyesdb.sqlite.backup import Frozen
from pyesdb.store import cutting
from pyesdb.store.adopting import adopt
from pyesdb.store.verify import verify_file
from tests.machine.lab import Lab
from tests.verify.tools import checkpoint, fill

COLUMNS = "SELECT position, stream, version, id, data, tags FROM event ORDER BY position"


def rows(path: Path, text: str) -> list[tuple[Any, ...]]:
    connection = files.open_reader(path)
    found = connection.execute(text).fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("first", [0, 1])
def test_a_fork_at_any_position(tmp_path: Path, first: int) -> None:
    source, copy = tmp_path / "store.db", tmp_path / "copy.db"
    lab = Lab(source)
    fill(lab)
    assert lab.tx is not None
    head = lab.tx.state.position
    lab.close()
    checkpoint(source)
    before = rows(source, COLUMNS)
    for position in range(first, head, 5):
        shutil.copyfile(source, copy)
        cutting.cut(copy, position)
        adopt(copy, {"store": "fork", "incarnation": 77}, frozen=False)
        result = verify_file(copy, {"store": "fork", "incarnation": 77})
        assert not result.problems, position
        assert rows(copy, COLUMNS) == [row for row in before if row[0] <= position]
        owed = rows(copy, "SELECT max(position) FROM delivery")[0][0] or 0
        cursors = rows(copy, "SELECT max(cursor) FROM subscription")[0][0] or 0
        assert max(owed, cursors) <= position


def test_a_copy_has_a_chain_of_its_own(tmp_path: Path) -> None:
    """No state of it is that of a replica of its source."""
    source, copy = tmp_path / "store.db", tmp_path / "copy.db"
    lab = Lab(source)
    fill(lab)
    lab.close()
    checkpoint(source)
    shutil.copyfile(source, copy)
    adopt(copy, {"store": "copy", "incarnation": 77}, frozen=False)
    with Frozen(source, read_only=False) as old, Frozen(copy, read_only=False) as new:
        before, behind = last_state(old), last_state(new)
    assert behind.seq == before.seq + 1
    assert behind.chain != before.chain
