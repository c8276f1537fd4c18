"""Every ```python block of the README and of docs/ runs: page by page, in order, one namespace."""

import importlib.util
import os
import re
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


FRAMES = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("pandas", "duckdb")),
    reason="pandas and duckdb are installed by requirements/check.txt: see `make docs`",
)


def case(page: Path) -> Any:
    """A page to run; what it shows may need ciphers, or large packages."""
    marks = {"encryption": [CIPHERS, pytest.mark.encryption], "pandas-duckdb": [FRAMES]}.get(
        page.stem, []
    )
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", [case(page) for page in WITH_CODE])
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """The README twice in one folder: the second time it meets what the first has left there."""
    script = tmp_path / f"page-{page.stem}.py"  # no name of a module that it imports
    script.write_text(program(page), "utf-8")
    for _ in range(2 if page.name == "README.md" else 1):
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script)], cwd=tmp_path, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100,
            env={k: v for k, v in os.environ.items() if not k.startswith("PYESDB_")},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


FENCES = {"python", "sh", "sql", "text", "{include}", "{toctree}", "{eval-rst}"}


def test_fences_are_ones_that_are_checked() -> None:
    """Python is spelled `python`, so that no example escapes."""
    for page in PAGES:
        fences = set(re.findall(r"^ *```(\S+)$", page.read_text("utf-8"), re.MULTILINE))
        assert fences <= FENCES, page
