"""Keeps what the last long runs of the crash laboratories found, for docs/reference/faults.md.

`make stress` leaves build/crash/kills.json and build/crash/power.json; this adds them to
tests/crash/reports, in the form of the page: a title, and of each seed its figures and rows. The
run of a seed takes the place of an older one.
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FROM, TO = ROOT / "build/crash", ROOT / "tests/crash/reports"
TITLES = {"kills": "Killed under load", "power": "Power cuts"}
Run = dict[str, Any]


def kills(found: Run) -> Run:
    """Processes killed under load: `tests/crash/lab`."""
    events = found["events"]
    figures = {
        "kills": found["kills"],
        "not at their place": found["missed"],
        **{f"events {name}": n for name, n in events.items()},
    }
    rows = [
        {**row, "lost": "nothing" if row["lost"] == 0 else row["lost"]} for row in found["rows"]
    ]
    return {"seed": found["seed"], "figures": figures, "rows": rows}


def power(found: Run) -> Run:
    """Simulated power cuts: `tests/crash/power`."""
    figures = {
        "power cuts": found["cuts"],
        "disk images looked at": found["images"],
        "stores read before a recovery": found["looks"]["answered"],
        "events acknowledged": found["acknowledged"],
        "events lost": found["lost"],
    }
    return {"seed": found["seed"], "figures": figures, "rows": found["rows"]}


def added(runs: list[Run], one: Run) -> list[Run]:
    """The runs of all seeds, in their order."""
    others = [run for run in runs if run["seed"] != one["seed"]]
    return sorted([*others, one], key=lambda run: run["seed"])


def main() -> None:
    """Write both; a missing one says which run it needs."""
    for name, form in (("kills", kills), ("power", power)):
        source = FROM / f"{name}.json"
        if not source.exists():
            raise SystemExit(f"{source.relative_to(ROOT)} is missing: run `make stress` first")
        kept = TO / f"{name}.json"
        runs = json.loads(kept.read_text("utf-8"))["runs"] if kept.exists() else []
        runs = added(runs, form(json.loads(source.read_text("utf-8"))))
        text = json.dumps({"title": TITLES[name], "runs": runs}, indent=1) + "\n"
        kept.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
