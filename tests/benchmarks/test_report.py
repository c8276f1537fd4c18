"""The page and the pictures of the docs are made of the landed results, and of nothing else."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import __main__ as bench
from benchmarks import chart, report, results
from benchmarks.goals import GOALS
from benchmarks.rounds import Case
from tests.benchmarks.samples import ROW, result, slowed

SVG = "{http://www.w3.org/2000/svg}"


def test_the_docs_are_what_the_results_say() -> None:
    assert report.stale(results.shown(results.KEPT)) == []


def test_a_figure_typed_by_hand_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "benchmarks.md"
    monkeypatch.setattr(report, "PAGE", page)
    report.write(results.shown(results.KEPT))
    monkeypatch.setattr("sys.argv", ["benchmarks", "--check-docs"])
    assert bench.main() == 0
    picture = next((tmp_path / report.CHARTS).glob("*.svg"))
    for path in (page, picture):
        path.write_text(re.sub(r"\d(?=\D*$)", "7x", path.read_text("utf-8")), "utf-8")
    (picture.parent / "row99.svg").touch()
    assert bench.main() == 1
    said = capsys.readouterr().out
    assert all(name in said for name in ("benchmarks.md", picture.name, "row99.svg"))


def test_a_full_result_is_shown_before_a_quick_one(tmp_path: Path) -> None:
    results.save(result(), results.place(tmp_path, "quick"))
    assert results.shown(tmp_path)[ROW].size == "quick"
    assert "no full run has landed yet" in report._kinds(results.shown(tmp_path))
    results.save(result(size="full"), tmp_path)
    assert results.shown(tmp_path)[ROW].size == "full"
    assert report._kinds(results.shown(tmp_path)) == "All of it is of full runs."
    both = results.shown(tmp_path) | {"row2_concurrent": result()}
    assert "Of quick runs" in report._kinds(both)
    assert report._kinds(both).endswith("has landed: One writer.")


def test_a_note_says_whether_it_is_of_this_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes.toml"
    monkeypatch.setattr(report, "NOTES", notes)
    slow = slowed(result(), 0.5)
    for since, shown in [
        ("2026-01-01 00:00", "short: the disk"),
        ("2025-12-31 23:59", "short: the disk (written for an earlier run)"),
    ]:
        notes.write_text(f'[short."{since}"]\nsingle-apsw = "the disk"\n', "utf-8")
        assert f"  {shown}\n" in report.table({ROW: slow})
    notes.write_text("[short]\n", "utf-8")
    assert "no reason has been written down yet" in report.table({ROW: slow})


def test_notes_are_of_goals_and_times() -> None:
    assert report.notes().keys() - {goal.key for goal in GOALS} == set()
    groups = tomllib.loads(report.NOTES.read_text("utf-8"))["short"]
    assert sum(map(len, groups.values())) == len(report.notes())
    for since in groups:
        datetime.strptime(since, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def drawn(case: Case) -> ET.Element:
    found = result()
    found.cases = [case]
    text = chart.svg(found, report.LABELS)
    assert text == chart.svg(found, report.LABELS)
    return ET.fromstring(text)


def widths(picture: ET.Element) -> dict[str, float]:
    """Of each colour, the length of its bar."""
    bars = [bar for bar in picture.iter(f"{SVG}rect") if bar.get("class") != "back"]
    return {str(bar.get("class")): float(bar.attrib["width"]) for bar in bars}


def test_a_bar_is_the_median_and_a_whisker_the_rounds() -> None:
    samples = {"pyesdb": [100.0, 300.0, 200.0], "apsw": [400.0] * 3, "umadb": [100.0] * 3}
    picture = drawn(Case("1 event", "appends/s", samples))
    scale = chart.RIGHT - chart.LEFT
    assert widths(picture) == {"limit": scale, "ours": scale / 2, "peer": scale / 4}
    whisker = [path.attrib["d"] for path in picture.iter(f"{SVG}path")][1]
    ends = re.match(r"M([\d.]+) [\d.]+H([\d.]+)", whisker)
    assert ends is not None
    assert [float(end) - chart.LEFT for end in ends.groups()] == [scale / 4, 3 * scale / 4]
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts[:3] == ["1 event (appends/s)", "bare apsw (limit)", "400"]


def test_where_less_is_better_the_least_is_first() -> None:
    picture = drawn(Case("start", "ms", {"pyesdb": [2.0], "apsw": [4.0]}, {"umadb": "not <here>"}))
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts == [
        "start (ms, less is better)", "PyESDB", "2", "bare apsw (limit)", "4", "UmaDB",
        "not <here>",
    ]  # fmt: skip
