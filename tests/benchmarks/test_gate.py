"""`python -m benchmarks` against what was landed: its exit code, and what it writes where."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import report, results
from benchmarks.results import Result
from tests.benchmarks.samples import ROW, STEADY, result, slowed

FULL = {"cpu": "a", "cores": 2, "system": "b", "python": "c", "fdatasync_us": 1.0,
        "others_cores": 0.0}  # fmt: skip
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Row 1 with the given results in place of measurements; landed: the first one."""
    kept = tmp_path / "kept"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "KEPT", kept)
    monkeypatch.setattr(report, "PAGE", tmp_path / "docs" / "benchmarks.md")

    def measured(landed: Result, *found: Result, words: str = "") -> int:
        for each in (landed, *found):
            each.machine = dict(FULL)
        results.save(landed, results.place(kept, landed.size))
        left = list(found)
        monkeypatch.setattr(bench, "_measure", lambda *_: left.pop(0))
        monkeypatch.setattr("sys.argv", ["benchmarks", "--row", "1", *words.split()])
        code = bench.main()
        assert left == []
        return code

    return measured


def landed(size: str = "full") -> Result:
    return results.load(results.place(bench.KEPT, size))[ROW]


def test_what_holds_is_landed(run: Run, tmp_path: Path) -> None:
    assert run(result(size="full"), slowed(result(size="full"), 0.9)) == 0
    assert landed().cases[0].samples["pyesdb"][0] == 900
    assert "0.90" in (tmp_path / "docs" / "benchmarks.md").read_text("utf-8")


def test_what_is_worse_fails_and_is_not_landed(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(result(size="full"), slowed(result(size="full"), 0.5)) == 1
    assert landed().cases[0].samples["pyesdb"] == STEADY
    assert not (tmp_path / "docs").exists()
    said = capsys.readouterr().out
    assert "REGRESSED" in said
    assert "--accept" in said
    assert results.load(bench.LAST_OUT)[ROW].cases[0].samples["pyesdb"][0] == 500


def test_unless_it_is_accepted(run: Run) -> None:
    slow = slowed(result(size="full"), 0.5)
    assert run(result(size="full"), slow, words="--accept") == 0
    assert landed().cases[0].samples["pyesdb"][0] == 500


def test_a_doubt_is_measured_once_more(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = result([500.0, 1000.0, 600.0, 1010.0, 550.0], size="full")
    assert run(result(size="full"), noisy, result(size="full")) == 0
    assert "measured again, because rounds overlap: single-apsw" in capsys.readouterr().out
    assert landed().rounds == 10
    assert run(result(size="full"), noisy, noisy) == 1


def test_a_quick_run_is_judged_and_landed_by_quick_ones(run: Run, tmp_path: Path) -> None:
    assert run(result(), slowed(result(), 0.5), words="--quick") == 1
    assert landed("quick").cases[0].samples["pyesdb"] == STEADY
    assert run(result(), slowed(result(), 0.9), words="--quick") == 0
    assert landed("quick").cases[0].samples["pyesdb"][0] == 900
    assert run(result(), slowed(result(), 0.5), words="--quick --accept") == 0
    assert landed("quick").cases[0].samples["pyesdb"][0] == 500
    assert results.load(bench.KEPT) == {}
    assert "of quick runs" in (tmp_path / "docs" / "benchmarks.md").read_text("utf-8")


def test_a_full_result_beside_it_changes_nothing_for_a_quick_run(run: Run) -> None:
    results.save(result(), results.place(bench.KEPT, "quick"))
    full = slowed(result(size="full"), 0.1)
    assert run(full, slowed(result(), 0.5), words="--quick") == 1
    assert run(full, slowed(result(), 0.9), words="--quick") == 0
    assert (landed().size, landed("quick").size) == ("full", "quick")
    assert landed().cases[0].samples["pyesdb"][0] == 100


def test_a_full_run_is_not_compared_with_a_quick_one(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(result(), slowed(result(size="full"), 0.5)) == 0
    assert f"{ROW}: nothing landed: no full result to compare with" in capsys.readouterr().out
    assert (landed().size, landed("quick").size) == ("full", "quick")


def test_what_goes_elsewhere_is_judged_and_not_landed(run: Run, tmp_path: Path) -> None:
    words = f"--out {tmp_path / 'elsewhere'}"
    assert run(result(size="full"), slowed(result(size="full"), 0.5), words=words) == 1
    assert run(result(size="full"), slowed(result(size="full"), 0.9), words=words) == 0
    assert landed().cases[0].samples["pyesdb"] == STEADY
    assert results.load(tmp_path / "elsewhere")[ROW].cases[0].samples["pyesdb"][0] == 900


@pytest.mark.parametrize("words", ["--out kept", "--out kept/quick", "--out else --accept"])
def test_nothing_lands_but_by_the_gate(run: Run, words: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(result(size="full"), result(size="full"), words=words)
    assert landed().cases[0].samples["pyesdb"] == STEADY
