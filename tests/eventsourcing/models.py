"""Aggregates, applications and a view that the tests use, in this and in other processes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.system import ProcessApplication
from eventsourcing.tests import projection

from pyesdb import NewEvent, StreamState
from pyesdb.eventsourcing import PyesdbApplicationRecorder, PyesdbTrackingRecorder

MODULE = "pyesdb.eventsourcing"


class Account(Aggregate):
    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = Decimal(0)

    @event("Credited")
    def credit(self, amount: Decimal) -> None:
        self.balance += amount


class Accounts(Application[UUID]):
    snapshotting_intervals: ClassVar[dict[Any, int]] = {Account: 5}


class Zero(Aggregate):
    INITIAL_VERSION = 0

    @event("Done")
    def done(self) -> None: ...


class Source(Application[UUID]):
    """What a mirror is of."""


class Mirror(ProcessApplication[UUID]):
    """Opens an account for every account that is opened, credits it when that is credited."""

    def policy(self, domain_event: Any, processing_event: Any) -> None:
        if isinstance(domain_event, Account.Opened):  # type: ignore[attr-defined]
            processing_event.collect_events(Account(f"mirror of {domain_event.owner}"))


class Mine(PyesdbApplicationRecorder):
    """A recorder named by its topic."""


class EventCounters(PyesdbTrackingRecorder, projection.EventCountersView):
    """A view kept in the store: an event for each count, with tracking in the same transaction."""

    def _count(self, name: str) -> int:
        version = self.store.version(name)
        return 0 if version is StreamState.NO_STREAM else int(version) + 1

    def get_created_event_counter(self) -> int:
        return self._count("created")

    def get_subsequent_event_counter(self) -> int:
        return self._count("subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self.record("created", NewEvent("Counted"), tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self.record("subsequent", NewEvent("Counted"), tracking)
