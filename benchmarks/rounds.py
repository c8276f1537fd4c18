"""Rounds that alternate between the contestants, so that a busy moment hits all of them.

What must never happen here: a contestant that fails or stays behind and is left out in silence.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.sides import Unoffered, Writer
from benchmarks.work import BODIES, stream_name

WARM_UP = 1


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
    names = list(measures)
    for number in range(-WARM_UP, rounds):
        shift = number % max(len(names), 1)
        for name in names[shift:] + names[:shift]:
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


class Appending:
    """One caller that appends batches of a size to one stream after the other."""

    STREAMS = 1000

    def __init__(self, writer: Writer, size: int) -> None:
        self._append = writer.append
        self._bodies: Sequence[Sequence[dict[str, object]]] = [
            (BODIES[start:] + BODIES[:start])[:size] for start in range(0, 1000, 10)
        ]
        self._size = size
        self._calls = 0

    def rate(self, seconds: float) -> float:
        """Events per second over about `seconds`."""
        append, bodies, size = self._append, self._bodies, self._size
        calls = first = self._calls
        names = [stream_name(number) for number in range(self.STREAMS)]
        start = now = time.perf_counter()
        while now - start < seconds:
            turn, stream = divmod(calls, self.STREAMS)
            append(names[stream], turn * size, bodies[calls % len(bodies)])
            calls += 1
            now = time.perf_counter()
        self._calls = calls
        return (calls - first) * size / (now - start)
