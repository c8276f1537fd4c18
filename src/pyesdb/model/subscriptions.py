"""Persistent subscriptions as users see them: settings, state, and what is delivered or parked."""

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Literal, TypedDict

import msgspec
from msgspec.structs import astuple

from pyesdb.model import limits
from pyesdb.model.durations import Duration, seconds
from pyesdb.model.errors import InvalidConfig
from pyesdb.model.events import RecordedEvent
from pyesdb.model.selectors import Selector


class SubscriptionSettings(TypedDict, total=False):
    """Settings of a persistent subscription; durations in seconds or as timedelta.

    `max_retries`: deliveries after the first one, then `on_poison` says what happens (10).
    `ack_timeout`: how long a consumer may keep an event, from its delivery on (30 s). `window`:
    events in flight over all consumers (512). `order`: "stream" (events of a stream wait for each
    other, also across retries) or "none". `on_poison`: "park_stream" (what follows in the stream
    waits for the parked event; the default with order "stream") or "park_event".
    """

    max_retries: int
    ack_timeout: Duration
    window: int
    order: Literal["stream", "none"]
    on_poison: Literal["park_stream", "park_event"]


class SubscriptionInfo(msgspec.Struct, frozen=True):
    """A persistent subscription. `position`: up to here everything selected was delivered, or is
    kept to be; `lag`: positions after it, selected or not. `in_flight`: delivered, not settled.
    `consumers`: how many hold something. `oldest_unacked`: since when the oldest of it is held.
    """

    name: str
    select: Selector
    settings: SubscriptionSettings
    position: int
    lag: int
    in_flight: int
    parked: int
    consumers: int
    oldest_unacked: datetime | None


class ParkedEvent(msgspec.Struct, frozen=True):
    """An event that was given up: how often it was tried, why, and when it was parked."""

    event: RecordedEvent
    attempts: int
    reason: str
    parked: datetime


class Lease(msgspec.Struct, frozen=True):
    """By which consumer, and since which reset of the subscription, events were claimed."""

    consumer: bytes
    epoch: int


class DeliveredEvent(RecordedEvent, frozen=True, gc=False, eq=False):
    """An event that a consumer has in hand. `attempt` is 1 at its first delivery, and counts those
    whose consumer was lost; `last_reason` says why the one before failed.
    """

    attempt: int
    last_reason: str
    _lease: Lease

    def __repr__(self) -> str:
        return (
            f"Delivered{super().__repr__().removeprefix('Recorded')[:-1]}, attempt={self.attempt})"
        )


_make: Any = DeliveredEvent


def delivered(event: RecordedEvent, attempt: int, reason: str, lease: Lease) -> DeliveredEvent:
    """The event in a consumer's hands."""
    return _make(*astuple(event), attempt, reason, lease)


def _retries(value: object) -> int:
    return _whole(value, "max_retries", 0, limits.SUBSCRIPTION_RETRIES_MAX)


def _window(value: object) -> int:
    return _whole(value, "window", 1, limits.SUBSCRIPTION_WINDOW_MAX)


def _whole(value: object, name: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise InvalidConfig(f"{name} must be an int from {least} to {most:,}, not {value!r:.60}")
    return value


def _ack_timeout(value: object) -> int:
    us = round(seconds(value, "ack_timeout") * 1_000_000)
    if not limits.ACK_TIMEOUT_MIN_US <= us <= limits.ACK_TIMEOUT_MAX_US:
        raise InvalidConfig(
            f"ack_timeout must be from 0.1 to 86,400 seconds, not {value!r:.60}: "
            "it is in seconds, not milliseconds"
        )
    return us


def _order(value: object) -> str:
    return _word(value, "order", ("stream", "none"))


def _on_poison(value: object) -> str:
    return _word(value, "on_poison", ("park_stream", "park_event"))


def _word(value: object, name: str, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in allowed:
        words = " or ".join(map(repr, allowed))
        raise InvalidConfig(f"{name} must be {words}, not {value!r:.60}")
    return value


_CHECKS = {
    "max_retries": _retries,
    "ack_timeout": _ack_timeout,
    "window": _window,
    "order": _order,
    "on_poison": _on_poison,
}


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in the machine's units (us); raises InvalidConfig, which names the nearest one."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in _CHECKS:
            near = get_close_matches(name, _CHECKS, 1, 0.4)
            hint = (
                f"; did you mean {near[0]!r}?" if near else f": it is one of {', '.join(_CHECKS)}"
            )
            raise InvalidConfig(f"a subscription has no setting {name!r}{hint}")
        found[name] = _CHECKS[name](value)
    return found


def check_share(window: object) -> int | None:
    """A consumer's own part of the window, or None."""
    return None if window is None else _window(window)
