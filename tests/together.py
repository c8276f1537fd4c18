"""Which tests share a worker, because they share what takes long to make.

pytest-xdist 3.8 finds no groups under pytest 9.2 (it marks node ids by an attribute that pytest
reads no more), so the scheduler here tells them by their ids.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class Together(LoadScopeScheduling):
    """Each test alone to whoever is free, but for those of a group."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file == "tests/cli/test_demo.py":
            return "one worker loads the flights"
        if file.startswith("tests/projections/") and ("psycopg" in test or "postgres" in test):
            return "one worker has a server of PostgreSQL"
        return nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """Called once, by the process that hands out tests (`-n`)."""
    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None
