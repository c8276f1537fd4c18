"""Faults put into a store's write connection, and groups made on purpose."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.store import applier


class Connection:
    """A write connection whose statements can be made to fail."""

    def __init__(self, real: Any, fault: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._real = real
        self._fault = fault
        self._writing = False

    def execute(self, text: str, *args: Any) -> Any:
        writing, self._writing = self._writing, text == "BEGIN IMMEDIATE"
        if text != "COMMIT" or writing:
            return self._fault(text, lambda: self._real.execute(text, *args))
        return self._real.execute(text, *args)  # who only looked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def put_fault(
    patch: pytest.MonkeyPatch, store: Any, fault: Callable[[str, Callable[[], Any]], Any]
) -> None:
    """Let `fault(statement, run)` decide what becomes of the statements of this store's lane."""
    mine = applier_of(store)
    real_open = applier.Applier._open

    def opened(self: applier.Applier) -> Any:
        connection = real_open(self)
        if self is mine:
            self._connection = Connection(connection, fault)  # type: ignore[assignment]
        return self._connection

    patch.setattr(applier.Applier, "_open", opened)
    mine.close()


def applier_of(store: Any) -> Any:
    """The applier of a store's lane."""
    return store._handle.runtime().applier


def outbox_of(store: Any) -> Any:
    """A store's lane."""
    return store._handle.runtime().outbox


class Gate:
    """Holds the lane's leader inside its commit, while others queue behind it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.groups: list[int] = []
        real = applier.apply

        def apply(tx: Any, entry: Any) -> Any:
            self.groups.append(len(entry.commands))
            if not self.entered.is_set():
                self.entered.set()
                assert self.go_on.wait(60)
            return real(tx, entry)

        patch.setattr(applier, "apply", apply)


@contextmanager
def grouped(
    patch: pytest.MonkeyPatch, store: Any, calls: list[Callable[[], Any]]
) -> Iterator[tuple[Gate, list[Future[Any]]]]:
    """The calls, in this order, in one group: they queue behind a leader who is held."""
    store.append("warm", NewEvent("Warm"))
    gate, outbox = Gate(patch), outbox_of(store)
    with ThreadPoolExecutor(len(calls) + 1) as pool:
        first = pool.submit(store.append, "first", NewEvent("First"))
        assert gate.entered.wait(60)
        futures = []
        try:
            for number, call in enumerate(calls, 1):
                futures.append(pool.submit(call))
                while len(outbox._queue) < number:
                    threading.Event().wait(0.001)
            yield gate, futures
        finally:
            gate.go_on.set()
        first.result(60)


def outcome(future: Future[Any]) -> Any:
    """A call's result, or the class of its error."""
    try:
        return future.result(60)
    except pyesdb.PyesdbError as error:
        return type(error)
