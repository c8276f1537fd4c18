"""Start: what importing, opening and the first append cost a process that does nothing else.

Each figure is of a fresh process. `python` is the interpreter alone, and what every other figure of
memory and of the whole process contains.
"""

import importlib.util
import time

from benchmarks import fresh
from benchmarks.plan import Plan
from benchmarks.rounds import WARM_UP, Case
from benchmarks.start import STEPS

TITLE = "Start"
IMPORT, MEMORY = "import", "memory after the import"
NEW, NEW_APPEND = "open what is not there", "first append to what is new"
OLD, OLD_APPEND = "open what is there", "first append to what was there"
OPENED, WHOLE = "memory after the first append", "process: start, import, open, append, end"
_FROM = {
    # case: (run, step, 0 for milliseconds or 1 for MiB); run 0 finds nothing there, run 1 the same
    IMPORT: (1, "import", 0),
    MEMORY: (1, "import", 1),
    NEW: (0, "open", 0),
    NEW_APPEND: (0, "append", 0),
    OLD: (1, "open", 0),
    OLD_APPEND: (1, "append", 0),
    OPENED: (1, "append", 1),
}
_UNITS = ("ms", "MiB")
_UNOFFERED = {
    "umadb": "not offered: its database is in a server",
    "python": "not offered: the interpreter alone",
}


def _measure(plan: Plan, who: str, number: int) -> dict[str, float]:
    """One round of one contestant: a process for what is new, and one for what is then there."""
    directory = plan.folder / f"{who}-{number}"
    directory.mkdir()
    new = fresh.answer(plan, "start", who, str(directory))
    start = time.perf_counter()
    old = fresh.answer(plan, "start", who, str(directory))
    found = {WHOLE: (time.perf_counter() - start) * 1e3}
    for case, (run, step, kind) in _FROM.items():
        steps = (new, old)[run]
        if step in steps and (who, case) != ("python", IMPORT):
            found[case] = steps[step][kind]
    return found


def run(plan: Plan) -> list[Case]:
    """Milliseconds and MiB; less is better."""
    cases = {case: Case(case, _UNITS[kind]) for case, (_, _, kind) in _FROM.items()}
    cases[WHOLE] = Case(WHOLE, "ms")
    absent: dict[str, str] = {}
    for who in STEPS:
        if who != "python" and importlib.util.find_spec(who) is None:
            absent[who] = f"{who} is not installed: install requirements/bench.txt"
    names = list(STEPS)
    for number in range(-WARM_UP, plan.rounds):
        shift = number % len(names)
        for who in names[shift:] + names[:shift]:
            if who in absent:
                continue
            try:
                found = _measure(plan, who, number)
            except Exception as error:  # noqa: BLE001  (whatever it is, it belongs in the report)
                absent[who] = f"failed: {type(error).__name__}: {error}"
                continue
            if number >= 0:
                for case, figure in found.items():
                    cases[case].samples.setdefault(who, []).append(figure)
    for case in cases.values():
        for who, why in absent.items():
            case.samples.pop(who, None)
            case.absent[who] = why
        case.absent |= {w: why for w, why in _UNOFFERED.items() if w not in case.samples}
    return list(cases.values())
