"""Stores with registered types: where their reads read from.

The room `types` is loaded when a store is asked for with some, not before.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pyesdb.model.events import Bodies, NewEvent, Origin
from pyesdb.store.readers import Names, Reader
from pyesdb.store.runtime import StoreRuntime
from pyesdb.store.writes import Types as Makes

if TYPE_CHECKING:
    from pyesdb.types.registry import EventTypes


class Types(Makes, Bodies, Protocol):
    """Registered types: new events of objects, and objects of events."""

    def check_readable(self, events: list[NewEvent]) -> None:
        """Raises InvalidEvent for one that would never become an object again."""
        ...


def resolved(types: "EventTypes | None") -> Types | None:
    """What was registered until now; raises RequestError with everything that is wrong in it."""
    if types is None:
        return None
    from pyesdb.types.registry import resolve

    return resolve(types)


class TypedSource:
    """A store, for reads whose events have bodies."""

    def __init__(self, runtime: StoreRuntime, types: Types) -> None:
        self._runtime = runtime
        self.origin = Origin(runtime.store_id, runtime.incarnation, types)

    @property
    def names(self) -> Names:
        """The store's dictionaries: others, after it was at rest."""
        return self._runtime.names

    def ask(self, question: Callable[[Reader], Any]) -> Any:
        """Answer a question on a read connection."""
        return self._runtime.ask(question)
