"""Persistent subscriptions against the model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.property.consumers import ParkingEvents, ParkingStreams, WithoutOrder
from tests.property.machines import long, short

MACHINES = [ParkingStreams, ParkingEvents, WithoutOrder]


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_is_lost_or_out_of_order(machine: Any) -> None:
    run_state_machine_as_test(machine, settings=short(12, 60))  # type: ignore[no-untyped-call]


@pytest.mark.stress
@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_is_lost_or_out_of_order_for_long(machine: Any) -> None:
    run_state_machine_as_test(machine, settings=long(60))  # type: ignore[no-untyped-call]
