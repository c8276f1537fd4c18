"""Every fault of the book: what the user saw is what he must see, and nothing is lost.

The book is tests/crash/faultbook: one small entry for each fault. What is recorded of them in
tests/crash/reports/faults.json becomes docs/reference/faults.md, so it must be what happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.faultbook.book import load
from tests.crash.faultbook.client import Client, rows, serving

BOOK = load()
WRITE_IT = "python -m tests.crash.faultbook writes the report anew"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving() as found:
        yield found


def case(name: str) -> Any:
    return pytest.param(name, marks=[pytest.mark.slow] if BOOK[name].slow else [])


@pytest.mark.parametrize("name", [case(name) for name in BOOK])
def test_a_fault(name: str, client: Client, tmp_path: Path) -> None:
    row = client.row(BOOK[name], tmp_path)
    if "skipped" in row:
        pytest.skip(row["skipped"])
    assert row["lost"] == BOOK[name].lost
    assert row == rows()[name], WRITE_IT


def test_the_report_has_every_fault_and_no_other() -> None:
    assert list(rows()) == list(BOOK), WRITE_IT
