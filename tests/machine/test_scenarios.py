"""Scenarios as text; `python -m tests.machine.scenario --rewrite` writes their outcomes anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine.scenario import FOLDER, played


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_a_scenario_comes_out_as_written(file: Path, tmp_path: Path) -> None:
    wanted = file.read_text("utf-8")
    assert played(wanted, tmp_path / "store.db") == wanted


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_it_comes_out_the_same_when_everything_is_forgotten_before_each_line(
    file: Path, tmp_path: Path
) -> None:
    wanted = file.read_text("utf-8")
    lines = [line for line in wanted.splitlines() if not line.startswith("    ")]
    commands = [line for line in lines if line.strip() and not line.startswith("#")]
    reopened = "".join(f"reopen\n{line}\n" for line in commands)
    found = played(reopened, tmp_path / "store.db")
    without = [line for line in found.splitlines() if line != "reopen"]
    plain = [line for line in wanted.splitlines() if line.strip() and not line.startswith("#")]
    assert without == [line for line in plain if line != "reopen"]
