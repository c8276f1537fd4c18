"""Breaks the package on purpose, one small patch at a time: a named test must notice.

A mutant is a unified diff against the tree, tests/mutants/NAME.patch, whose head says why it
matters and which test must fail:

    # catches: tests/machine/test_append.py::test_expected_version
    # The check is made outside the transaction.

First every named test must pass on the tree as it is. Then each patch is applied to a copy of src,
and its test must fail by an assertion, an exception of the test or its timeout; an import error, a
collection error or a patch that does not apply is an error of the mutant, not a success.

    python tests/mutants/run.py [--encryption] [NAME ...]

A line `# needs: encryption` keeps a mutant for `--encryption`, which runs those only: their tests
need the apsw of `make encryption`.
"""

import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORKERS, PARALLEL = 3, 6
"""Of the clean run; and mutants at a time: some hang until they are stopped, and need no core."""

TIMEOUT_S = 30
"""How long the test of one mutant may run; a mutant that hangs is noticed as well."""

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["pytest", "hypothesis.stateful", "apsw", "msgspec", "asyncio"])
"""It forks off the process of each run; nothing of pyesdb or of the tests is imported in it."""

PASSED, FAILED = 0, 1
"""pytest's exit codes for `all passed` and `some failed`; every other one is an error."""


@dataclass
class Mutant:
    """One patch and the tests that must notice it."""

    name: str
    patch: Path
    catches: list[str]


def load(names: list[str]) -> list[Mutant]:
    """The mutants of this folder, or those named; `--encryption`: those that need it."""
    wanted = "--encryption" in names
    names = [name for name in names if name != "--encryption"]
    found = []
    for patch in sorted(HERE.glob("*.patch")):
        head = patch.read_text("utf-8")
        catches = re.findall(r"^# catches: (\S+)$", head, re.MULTILINE)
        if not catches:
            raise SystemExit(f"{patch.name}: no line `# catches: tests/...::test_...`")
        if bool(re.search(r"^# needs: encryption$", head, re.MULTILINE)) is wanted:
            found.append(Mutant(patch.stem, patch, catches))
    unknown = set(names) - {mutant.name for mutant in found}
    if unknown:
        raise SystemExit(f"no such mutant: {', '.join(sorted(unknown))}")
    return [mutant for mutant in found if not names or mutant.name in names]


class Ran(NamedTuple):
    """What became of a run of tests; `code` None: it did not end in time."""

    code: int | None
    output: str


def tested(tests: list[str], src: Path, *options: str) -> Ran:
    """Runs tests against a copy of the sources, in a process of their own.

    It is forked off one that has imported what is the same for all: that took half of the time.
    """
    plugin = (
        "-p",
        "tests.mutants.guard",
        f"--pyesdb-src={src}",
        "-p",
        "pytest_timeout",
        "-p",
        "xdist",
    )
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as output:
        arguments = ["-qx", "--tb=short", *plugin, *options, *tests]
        process = SERVER.Process(target=_run, args=(arguments, str(src), output.name))
        process.start()
        process.join(3 * TIMEOUT_S * len(tests))
        if process.is_alive():
            process.kill()
            process.join()
            return Ran(None, output.read())
        return Ran(process.exitcode, output.read())


def _run(arguments: list[str], src: str, output: str) -> None:
    """In the new process. The sources go before an editable install, in its own children, too."""
    file = os.open(output, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.chdir(ROOT)
    os.environ |= {
        "PYTHONPATH": f"{src}{os.pathsep}{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TESTS_REPLAY": "0",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # their import takes as long as a short test
    }
    sys.dont_write_bytecode = True
    sys.path[:0] = [src, str(ROOT)]
    import pytest

    sys.exit(pytest.main(arguments))


def verdict(ran: Ran) -> str:
    """`caught`, `survived` or an error, from pytest's exit code and text."""
    code, output = ran
    if code is None:
        return "caught"
    if code == PASSED:
        return "SURVIVED"
    broken = re.search(r"(ImportError|ModuleNotFoundError|SyntaxError|IndentationError).*", output)
    if code != FAILED or not re.search(r"^(=+ )?\d+ failed", output, re.MULTILINE):
        return f"ERROR: pytest ended with {code}: {output.splitlines()[-1]}"
    if broken and "E   " + broken[0] in output:
        return f"ERROR: {broken[0]}"
    return "caught"


def changed(copy: Path) -> bool:
    """Whether a copy of src differs from the tree's."""
    suffixes = {".pyc"}  # which others write at this moment
    files = {
        path.relative_to(copy)
        for path in copy.rglob("*.*")
        if path.is_file() and path.suffix not in suffixes
    }
    return any((copy / name).read_bytes() != (ROOT / "src" / name).read_bytes() for name in files)


def judge(mutant: Mutant) -> str:
    """Applies one mutant to a copy of src and runs its tests."""
    with tempfile.TemporaryDirectory(prefix="pyesdb-mutant-") as folder:
        copy = Path(folder)
        shutil.copytree(ROOT / "src", copy / "src")  # what is compiled, too: all but one file fits
        applied = subprocess.run(
            ["git", "apply", str(mutant.patch)],
            cwd=copy, capture_output=True, text=True, check=False,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)},
        )  # fmt: skip
        if applied.returncode:
            return f"ERROR: the patch does not apply: {applied.stderr.splitlines()[0]}"
        if not changed(copy / "src"):
            return "ERROR: the patch changes nothing"
        return verdict(tested(mutant.catches, copy / "src", f"--timeout={TIMEOUT_S}"))


def main(names: list[str]) -> int:
    """Judges all mutants, or those named; 0 when every one is caught."""
    mutants = load(names)
    tests = sorted({test for mutant in mutants for test in mutant.catches})
    if not tests:
        print("mutants: no patches in tests/mutants")
        return 1
    clean = tested(tests, ROOT / "src", "-n", str(WORKERS))
    if clean.code != PASSED:
        print(clean.output)
        print("mutants: the named tests must pass on the unchanged tree first")
        return 1
    survived = 0
    with ThreadPoolExecutor(PARALLEL) as pool:
        for mutant, said in zip(mutants, pool.map(judge, mutants), strict=True):
            survived += said != "caught"
            print(f"{said:<10} {mutant.name}  ({', '.join(mutant.catches)})", flush=True)
    print(f"mutants: {len(mutants) - survived} of {len(mutants)} caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
