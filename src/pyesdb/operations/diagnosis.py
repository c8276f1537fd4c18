"""What `doctor` found: each finding with its area, how bad it is, and what to do."""

from collections.abc import Iterable
from typing import Literal

import msgspec

Level = Literal["ok", "hint", "problem"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `advice` says what to do, and is "" when all is well."""

    area: str
    level: Level
    what: str
    advice: str = ""


class Diagnosis(msgspec.Struct, frozen=True):
    """All findings, in the order in which things were looked at."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no problem; hints do not count."""
        return all(finding.level != "problem" for finding in self.findings)


def first_few(names: Iterable[str], most: int = 5) -> str:
    """Names for a message: the first ones, and how many more there are."""
    known = sorted(names)
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more
