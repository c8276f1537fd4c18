"""Writes tests/crash/reports/faults.json: every fault of the book, as it ran just now.

python -m tests.crash.faultbook
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.crash.faultbook.book import load
from tests.crash.faultbook.client import REPORT, serving


def main() -> None:
    rows = []
    with serving() as client:
        for entry in load().values():
            with tempfile.TemporaryDirectory(prefix="pyesdb-fault-") as directory:
                row = client.row(entry, Path(directory))
            if "skipped" in row:
                raise SystemExit(f"{entry.name}: {row['skipped']}")
            print(f"{row['lost']:<8} {entry.name}")
            rows.append(row)
    report = {"title": "Injected faults", "rows": rows}
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


main()
