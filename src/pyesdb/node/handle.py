"""A handle's tie to a store: to the id until the first operation, then to the incarnation."""

from collections.abc import Callable
from typing import TypeVar

from pyesdb.model.commands import Command
from pyesdb.model.durations import timeout_s
from pyesdb.model.errors import PyesdbError, StoreRemoved
from pyesdb.model.outcomes import Outcome
from pyesdb.node.engine import Node
from pyesdb.store.readers import Reader
from pyesdb.store.runtime import StoreRuntime

T = TypeVar("T")


class StoreHandle:
    """What both faces of a store are made of."""

    def __init__(self, node: Node, store_id: str) -> None:
        self.node = node
        self.store_id = store_id
        self._runtime: StoreRuntime | None = None
        self._incarnation: int | None = None

    @property
    def bound(self) -> bool:
        """Whether the store was looked up and is still there."""
        return self._runtime is not None and self._runtime.ended is None

    def last(self) -> StoreRuntime:
        """The store of the last operation, ended or not: what answered it."""
        return self.runtime() if self._runtime is None else self._runtime

    def check_open(self) -> None:
        """Raise what ended the database of this handle."""
        self.node.check()

    def runtime(self, timeout: object = None) -> StoreRuntime:
        """The store, bound now if it was not; raises StoreNotFound, StoreRemoved, StoreStarting.

        `timeout`: how long to wait for one that is being made (None: as its setting says).
        """
        if self.node.ended is not None:
            self.check_open()
        found = self._runtime
        if found is not None and found.ended is None:
            return found
        try:
            limit = None if timeout is None else timeout_s(timeout)
            found = self.node.runtime(self.store_id, limit)
        except PyesdbError as error:
            if self._incarnation is None:
                raise
            if error.code == "store_not_found":
                raise StoreRemoved(str(error)) from None
            raise
        if self._incarnation is None:
            self._incarnation = found.incarnation
        elif self._incarnation != found.incarnation:
            raise StoreRemoved(
                f"store {self.store_id!r} was removed; another one with this id exists now: "
                "get a new handle with store()"
            )
        self._runtime = found
        return found

    def timeout(self, timeout: object) -> float:
        """This call's deadline in seconds."""
        found = self.runtime(timeout)
        return found.config.timeout if timeout is None else timeout_s(timeout)

    def writing(self, timeout: object) -> tuple[StoreRuntime, float]:
        """The store, for a command, and the seconds that it may take; raises AccessDenied."""
        self.node.writable()
        runtime = self._runtime
        if runtime is None or runtime.ended is not None:
            runtime = self.runtime(timeout)
        return runtime, runtime.config.timeout if timeout is None else timeout_s(timeout)

    def submit(self, command: Command, timeout: object = None) -> Outcome:
        """The outcome of a command; a refusal is raised."""
        runtime, limit = self.writing(timeout)
        return runtime.submit(command, limit)

    def ask(self, question: Callable[[Reader], T]) -> T:
        """Answer a question on a read connection."""
        return self.runtime().ask(question)
