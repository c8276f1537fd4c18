"""What was measured, and what it means in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

BUSY = 0.5
"""Above this share of one CPU, it is the CPU that limits."""

SYNCING = 0.3
"""Below this share of an append, a sync does not explain for what else there is to wait."""

ROUGH = 0.1
"""Above this share of the cores, other programs decide about the figures, too."""

SYNC = "disk: write and sync 4 KiB"
ALONE = "append, 1 caller"
TASKS = "append, 64 tasks"


@dataclass(frozen=True)
class Measured:
    """One case: a sample per round, more is better.

    `limit` names the case that it is held against, `ratio` is the median of the rounds' own ratios
    to it. `busy` is the share of one CPU that this process used meanwhile.
    """

    case: str
    unit: str
    samples: tuple[float, ...]
    busy: float
    limit: str | None = None
    ratio: float | None = None

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return median(self.samples)


@dataclass(frozen=True)
class Bench:
    """A whole measurement: its cases, and what it was made on.

    `others` are the cores that other programs kept busy meanwhile, None where it is not known.
    """

    cases: tuple[Measured, ...]
    rounds: int
    seconds: float
    directory: str
    file_system: str
    others: float | None
    machine: Mapping[str, str | int] = field(default_factory=dict[str, str | int])

    def case(self, name: str) -> Measured:
        """The case of this name; KeyError if there is none."""
        return {found.case: found for found in self.cases}[name]


def ratio(ours: Sequence[float], limit: Sequence[float]) -> float:
    """The median of the rounds' own ratios: both sides of a round met the same moment."""
    return median(a / b for a, b in zip(ours, limit, strict=True))


def limited_by(found: "Bench", case: str) -> str:
    """What one would have to make faster.

    The CPU time tells it first: an append that works for half of the time waits for nothing that a
    faster disk could give. Otherwise the time of a sync tells whether the disk is waited for, or
    other programs that have the CPU.
    """
    if found.case(case).busy >= BUSY:
        return "the CPU"
    syncing = found.case(ALONE).median / found.case(SYNC).median
    return "this disk" if syncing >= SYNCING else "the rest of the system"


def verdict(found: "Bench") -> str:
    """What limits one caller, and many, in a sentence."""
    alone, many = limited_by(found, ALONE), limited_by(found, TASKS)
    busy, busy_many = _percent(found.case(ALONE).busy), _percent(found.case(TASKS).busy)
    took = 1000 / found.case(SYNC).median
    first = (
        f"One caller is limited by {alone} (a sync takes {took:.2f} ms, the CPU is busy {busy} of "
        "the time)"
    )
    if many == alone:
        return f"{first}, and so are 64 tasks ({busy_many})."
    return f"{first}; 64 tasks share syncs, they are limited by {many} ({busy_many})."


def rough(found: "Bench") -> str:
    """Whether other programs spoiled it; "" when they did not, or when it is not known."""
    cores = int(found.machine["cores"])
    if found.others is None or found.others <= ROUGH * cores:
        return ""
    return (
        f"Other programs kept {found.others:g} of {cores} cores busy meanwhile: every figure is "
        "rough, ratios less so. Measure again when it is quiet."
    )


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
