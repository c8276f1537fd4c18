"""Calls that make, change and show persistent subscriptions: checks, commands, questions."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from pyesdb.machine.subscriptions import Kept, decode_clauses, decode_rules
from pyesdb.model import commands as c
from pyesdb.model.checks import check_bool, check_int, check_optional_int
from pyesdb.model.durations import to_datetime
from pyesdb.model.errors import RequestError, SubscriptionNotFound
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.limits import CLAIM_EVENTS_MAX
from pyesdb.model.names import check_label
from pyesdb.model.selectors import EVERYTHING, Selector, check_selector
from pyesdb.model.subscriptions import (
    ParkedEvent,
    SubscriptionInfo,
    SubscriptionSettings,
    checked_settings,
)
from pyesdb.store import queries
from pyesdb.store.readers import Reader
from pyesdb.store.reads import Source, build

PARKED_PAGE = 200


def check_name(name: object) -> str:
    """A subscription's name: 1-512 bytes, no control characters; raises RequestError."""
    return check_label(name, "the name of a subscription")


def _after(after: object) -> int:
    if after == "end":
        return c.AT_END
    if isinstance(after, str):
        raise RequestError(f'after must be a position or "end", not {after!r:.60}')
    return check_int(after, "after")


# -- commands


def saving(
    name: object, select: object, after: object, exist_ok: object, settings: Mapping[str, Any]
) -> c.SaveSubscription:
    """The command that makes a subscription."""
    return c.with_digest(
        c.SaveSubscription,
        uuid7_bytes(),
        check_name(name),
        check_selector(select).clauses,
        _after(after),
        checked_settings(settings),
        check_bool(exist_ok, "exist_ok"),
    )


def updating(name: object, settings: Mapping[str, Any]) -> c.UpdateSubscription:
    """The command that changes settings."""
    changes = checked_settings(settings)
    return c.with_digest(c.UpdateSubscription, uuid7_bytes(), check_name(name), changes)


def removing(name: object) -> c.RemoveSubscription:
    """The command that forgets a subscription."""
    return c.with_digest(c.RemoveSubscription, uuid7_bytes(), check_name(name))


def resetting(name: object, after: object) -> c.ResetSubscription:
    """The command that starts a subscription again."""
    return c.with_digest(c.ResetSubscription, uuid7_bytes(), check_name(name), _after(after))


class Unparking:
    """The commands that take parked events up again, or drop them: one step after the other."""

    def __init__(self, name: object, positions: object, *, replay: bool) -> None:
        self._name = check_name(name)
        self._replay = replay
        self._parts = None if positions is None else _parts(positions)
        self._after: int | None = 0
        self.count = 0

    def next(self) -> c.Unpark | None:
        """The next command; None when all is done."""
        if self._parts is None:
            if self._after is None:
                return None
            return self._command(None, self._after)
        return self._command(self._parts.pop(0), 0) if self._parts else None

    def _command(self, positions: tuple[int, ...] | None, after: int) -> c.Unpark:
        place = self._name, self._replay, positions, after, CLAIM_EVENTS_MAX
        return c.with_digest(c.Unpark, uuid7_bytes(), *place)

    def done(self, answer: Any) -> None:
        """What a command did."""
        count, self._after = answer
        self.count += count


def _parts(positions: object) -> list[tuple[int, ...]]:
    if isinstance(positions, (str, bytes, Mapping)) or not isinstance(positions, Iterable):
        name = type(positions).__name__  # pyright: ignore[reportUnknownArgumentType]
        raise RequestError(f"positions must be an iterable of positions, not {name}")
    found = sorted({check_int(position, "a position", least=1) for position in positions})
    step = CLAIM_EVENTS_MAX
    # an empty one asks as well whether there is such a subscription
    return [tuple(found[i : i + step]) for i in range(0, len(found) or 1, step)]


# -- questions


Row = tuple[int, Selector, Kept, int]
"""Number, what is selected, rules, cursor."""


def row_of(reader: Reader, name: str) -> Row:
    """A subscription's row; raises SubscriptionNotFound."""
    rows = reader.all("subscription", name)
    if not rows:
        raise SubscriptionNotFound(
            f"there is no subscription {name!r}: check the name, or save_subscription()"
        )
    number, clauses, settings, cursor = rows[0]
    return number, Selector(decode_clauses(clauses)), decode_rules(settings), cursor


def info(reader: Reader, name: str) -> SubscriptionInfo:
    """What a subscription is and where it stands; raises SubscriptionNotFound."""
    with reader.moment():
        number, select, kept, cursor = row_of(reader, name)
        in_flight, consumers, due = reader.all("subscription_holders", number)[0]
        parked = reader.all("subscription_parked", number)[0][0]
        head = queries.head(reader)
    return SubscriptionInfo(
        name=name,
        select=select,
        settings=settings_of(kept),
        position=cursor,
        lag=max(0, head - cursor),
        in_flight=in_flight,
        parked=parked,
        consumers=consumers,
        oldest_unacked=None if due is None else to_datetime(due - kept.ack_timeout),
    )


def settings_of(kept: Kept) -> SubscriptionSettings:
    """All settings, as they hold."""
    return SubscriptionSettings(
        max_retries=kept.max_retries,
        ack_timeout=timedelta(microseconds=kept.ack_timeout).total_seconds(),
        window=kept.window,
        order=kept.order,
        on_poison="park_stream" if kept.parks_streams else "park_event",
    )


def listing(reader: Reader) -> list[SubscriptionInfo]:
    """All subscriptions by name; one that goes meanwhile may be missing."""
    found: list[SubscriptionInfo] = []
    for (name,) in reader.all("subscription_names"):
        try:
            found.append(info(reader, name))
        except SubscriptionNotFound:
            continue
    return found


def parked_page(
    source: Source, name: str, after: int, limit: int | None
) -> Callable[[Reader], list[ParkedEvent]]:
    """The question for the next parked events, by position."""
    most = PARKED_PAGE if limit is None else min(limit, PARKED_PAGE)

    def question(reader: Reader) -> list[ParkedEvent]:
        number = row_of(reader, name)[0]
        rows = reader.all("parked_events", number, after, most)
        events = build(reader, source, [row[3:] for row in rows])
        return [
            ParkedEvent(event, attempts, reason, to_datetime(due))
            for (attempts, reason, due, *_), event in zip(rows, events, strict=True)
        ]

    return question


def check_parked(name: object, after: object, limit: object) -> tuple[str, int, int | None]:
    """The arguments of `parked`."""
    return check_name(name), check_int(after, "after"), check_optional_int(limit, "limit")


def selector_of(select: Selector) -> Selector | None:
    """What a read takes: None for everything."""
    return None if EVERYTHING in select.clauses else select
