"""A pytest plugin for mutant runs: ends the run unless the mutated copy is what gets imported."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pyesdb-src", help="the folder that pyesdb must be imported from")


def pytest_configure(config: pytest.Config) -> None:
    import pyesdb

    wanted = Path(config.getoption("--pyesdb-src")).resolve()
    if wanted not in Path(str(pyesdb.__file__)).resolve().parents:
        raise pytest.UsageError(f"pyesdb comes from {pyesdb.__file__}, not from {wanted}")
