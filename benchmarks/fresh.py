"""Fresh processes whose start is timed: with compiled modules, as an installed package has them."""

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.plan import Plan


def environment(plan: Plan) -> dict[str, str]:
    """Ours, but that compiled modules are kept, in the scratch directory."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return found | {"PYTHONPYCACHEPREFIX": str(plan.prepared / "bytecode")}


def answer(plan: Plan, module: str, *arguments: str) -> Any:
    """The JSON that `python -m benchmarks.MODULE` prints; raises RuntimeError if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        check=False, capture_output=True, text=True, timeout=600, env=environment(plan),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"benchmarks.{module} failed: {done.stderr[-500:]}")
    return json.loads(done.stdout)
