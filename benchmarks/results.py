"""Results as files: one JSON per row with machine, versions and raw samples."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.rounds import Case

KEPT = Path(__file__).with_name("results")
"""What was landed: of full runs here, of quick ones in `quick` below."""

QUICK = "quick"
ROWS = (
    "row1_single_writer",
    "row2_concurrent",
    "row3_batches",
    "row4_reads",
    "row5_conditions",
    "row6_following",
    "row9_many_stores",
    "row10_growth",
    "row11_bytes",
    "row12_recovery",
    "row13_busy",
    "row14_start",
)
"""Named by their numbers in the list of what is to be measured; 13 and 14 were added behind it."""


def number_of(row: str) -> int:
    """Which row it is."""
    return int(row.split("_", maxsplit=1)[0].removeprefix("row"))


@dataclass
class Result:
    """One row of one run."""

    row: str
    title: str
    size: str
    taken: str
    rounds: int
    events: int
    machine: dict[str, object]
    versions: dict[str, str]
    cases: list[Case]

    def case(self, name: str) -> Case:
        """The case of this name; KeyError if there is none."""
        for case in self.cases:
            if case.name == name:
                return case
        raise KeyError(f"{self.row} has no case {name!r}")


def now() -> str:
    """UTC, to the minute."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


def _short(sample: float) -> float:
    """A whole number, or, where that would say little, three figures."""
    return round(sample) if abs(sample) >= 100 else float(f"{sample:.3g}")


def save(result: Result, folder: Path) -> None:
    """Write one row; samples are rounded to what they can tell."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = asdict(result)
    for case in plain["cases"]:
        case["samples"] = {who: list(map(_short, all_)) for who, all_ in case["samples"].items()}
    text = json.dumps(plain, indent=1, sort_keys=True)
    (folder / f"{result.row}.json").write_text(f"{text}\n")


def load(folder: Path) -> dict[str, Result]:
    """Every row that has a file in `folder`."""
    found: dict[str, Result] = {}
    for row in ROWS:
        path = folder / f"{row}.json"
        if path.exists():
            plain = json.loads(path.read_text())
            plain["cases"] = [Case(**case) for case in plain["cases"]]
            found[row] = Result(**plain)
    return found


def place(folder: Path, size: str) -> Path:
    """Where results of this size are landed."""
    return folder / QUICK if size == QUICK else folder


def shown(folder: Path) -> dict[str, Result]:
    """What the docs tell: of each row the full result, or the quick one where there is no other."""
    return load(place(folder, QUICK)) | load(folder)


def figure(case: Case, who: str) -> float | None:
    """The median of a contestant, None if it did not take part."""
    samples = case.samples.get(who)
    return median(samples) if samples else None


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the rounds' own ratios: both sides of a round met the same moment."""
    return median(a / b for a, b in zip(ours, theirs, strict=False))
