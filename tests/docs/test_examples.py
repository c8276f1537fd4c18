"""Every ```python block of the README and of docs/ runs: page by page, in order, one namespace."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyesdb import encryption

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def program(page: Path) -> str:
    """The page's blocks as one program whose line numbers are those of the page."""
    text = page.read_text("utf-8")
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        for offset, line in enumerate(block[1].splitlines()):
            lines[first + offset] = line
    return "\n".join(lines)


CIPHERS = pytest.mark.skipif(
    not encryption.available() and not os.environ.get("PYESDB_TEST_ENCRYPTION"),
    reason="this apsw cannot encrypt: see `make encryption`",
)


NEEDS = {
    "pandas-duckdb": ("pandas", "duckdb"),
    "fastapi": ("fastapi", "httpx2", "uvicorn"),
    "litestar": ("litestar", "httpx", "uvicorn"),
    "django": ("django", "gunicorn", "httpx"),
    "celery": ("celery",),
}
"""Packages that requirements/check.txt installs and requirements/test.txt does not, by page."""


def packages(page: Path) -> Any:
    """What a page shows may need packages that `make test` does without."""
    missing = [name for name in NEEDS.get(page.stem, ()) if not importlib.util.find_spec(name)]
    why = f"{', '.join(missing)}: installed by requirements/check.txt: see `make docs`"
    return pytest.mark.skipif(bool(missing), reason=why)


def case(page: Path) -> Any:
    """A page to run; what it shows may need ciphers, or large packages."""
    ciphers = [CIPHERS, pytest.mark.encryption] if page.stem == "encryption" else []
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=[packages(page), *ciphers])


def run(script: Path) -> None:
    """Run a page, in a session of its own: what it started ends with it, also when it hangs."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(script)], cwd=script.parent, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYESDB_")},
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=100)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert process.returncode == 0, output


WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", [case(page) for page in WITH_CODE])
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """The README twice in one folder: the second time it meets what the first has left there."""
    script = tmp_path / f"page-{page.stem}.py"  # no name of a module that it imports
    script.write_text(program(page), "utf-8")
    for _ in range(2 if page.name == "README.md" else 1):
        run(script)


FENCES = {"python", "sh", "sql", "text", "{include}", "{toctree}", "{eval-rst}"}


def test_fences_are_ones_that_are_checked() -> None:
    """Python is spelled `python`, so that no example escapes."""
    for page in PAGES:
        fences = set(re.findall(r"^ *```(\S+)$", page.read_text("utf-8"), re.MULTILINE))
        assert fences <= FENCES, page
