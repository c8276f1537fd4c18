"""Rounds that alternate between the contestants, so that a busy moment hits all of them.

What must never happen here: a contestant that fails or stays behind and is left out in silence.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.sides import Unoffered
from pyesdb.operations.bench.callers import WARM_UP, Appending, turns

__all__ = ["WARM_UP", "Appending", "Case", "alternate"]


@dataclass
class Case:
    """One comparison: samples per contestant, one for each round; rates, if not said otherwise."""

    name: str
    unit: str
    samples: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def alternate(case: Case, measures: dict[str, Callable[[], float]], rounds: int) -> Case:
    """Run every contestant once per round, each round beginning with another one.

    The first, unrecorded round warms up. A contestant that raises is noted as absent, with why.
    """
    for number, name in turns(list(measures), rounds):
        if name in case.absent:
            continue
        gc.collect()
        try:
            sample = measures[name]()
        except Unoffered as reason:
            case.absent[name] = f"not offered: {reason}"
        except Exception as error:  # noqa: BLE001  (whatever it is, it belongs in the report)
            case.absent[name] = f"failed: {type(error).__name__}: {error}"
            case.samples.pop(name, None)
        else:
            if number >= 0:
                case.samples.setdefault(name, []).append(sample)
    return case
