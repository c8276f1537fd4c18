"""Rows fill stores with thousands of events that say nothing of the machine: not to be replayed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.machine.plugin import Recorder


@pytest.fixture
def unrecorded(replayed: Recorder) -> Iterator[None]:
    """What a row writes is not replayed at the end of the session."""
    replayed.paused = True
    yield
    replayed.paused = False
