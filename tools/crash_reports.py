"""Keeps what the last long runs of the crash laboratories found, for docs/reference/faults.md.

`make stress` leaves build/crash/kills.json and build/crash/power.json; this writes them to
tests/crash/reports, in the form of the page: title, seed, figures and rows.
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FROM, TO = ROOT / "build/crash", ROOT / "tests/crash/reports"
Report = dict[str, Any]


def kills(found: Report) -> Report:
    """Processes killed under load: `tests/crash/lab`."""
    events = found["events"]
    figures = {"kills": found["kills"], **{f"events {name}": n for name, n in events.items()}}
    rows = [
        {**row, "lost": "nothing" if row["lost"] == 0 else row["lost"]} for row in found["rows"]
    ]
    return {"title": "Killed under load", "seed": found["seed"], "figures": figures, "rows": rows}


def power(found: Report) -> Report:
    """Simulated power cuts: `tests/crash/power`."""
    figures = {
        "power cuts": found["cuts"],
        "disk images looked at": found["images"],
        "events acknowledged": found["acknowledged"],
        "events lost": found["lost"],
    }
    rows = found["rows"]
    return {"title": "Power cuts", "seed": found["seed"], "figures": figures, "rows": rows}


def main() -> None:
    """Write both; a missing one says which run it needs."""
    for name, form in (("kills", kills), ("power", power)):
        source = FROM / f"{name}.json"
        if not source.exists():
            raise SystemExit(f"{source.relative_to(ROOT)} is missing: run `make stress` first")
        text = json.dumps(form(json.loads(source.read_text("utf-8"))), indent=1) + "\n"
        (TO / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
