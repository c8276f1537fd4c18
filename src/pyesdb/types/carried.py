"""`Carried`: the registered types of an event that was pickled.

What must never happen here: an event that cannot be unpickled. Where its classes do not exist, only
its body is an error.
"""

import pickle
from functools import lru_cache
from typing import Any

from pyesdb.model.errors import RequestError
from pyesdb.model.events import RecordedEvent


class Carried:
    """Registered types by reference, looked up when a body is first asked for."""

    def __init__(self, pickled: bytes, problem: str) -> None:
        self._pickled = pickled
        self._problem = problem

    def _types(self) -> Any:
        if self._problem:
            raise RequestError(
                "this event was pickled, and its types could not be: define classes and upcasters "
                f"at the top of a module, or use json() or decode() ({self._problem})"
            )
        try:
            return _types_of(self._pickled)
        except RequestError:
            raise
        except Exception as error:  # what the import of the classes raises depends on them
            raise RequestError(
                f"this event was pickled elsewhere, and its types are not here: {error}; use "
                "json() or decode()"
            ) from error

    def body(self, event: RecordedEvent) -> Any:
        """The event as an object of its registered class; raises RequestError where it is not."""
        return self._types().body(event)

    def view(self, event: RecordedEvent) -> Any:
        """The body, or the event itself when its type is not registered."""
        return self._types().view(event)

    def __reduce__(self) -> tuple[Any, ...]:
        return Carried, (self._pickled, self._problem)


@lru_cache(maxsize=64)
def _types_of(pickled: bytes) -> Any:
    from pyesdb.types.registry import resolve, restored

    return resolve(restored(*pickle.loads(pickled)))
