"""All operations of one process against the model."""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machines import OneProcess, long, short


def test_all_operations_against_the_model() -> None:
    run_state_machine_as_test(OneProcess, settings=short(28, 80))  # type: ignore[no-untyped-call]


@pytest.mark.stress
def test_all_operations_for_long() -> None:
    run_state_machine_as_test(OneProcess, settings=long(150))  # type: ignore[no-untyped-call]
