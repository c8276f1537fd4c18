"""A read that is asked twice for the same page: what a `still` reader saw was written over.

What must never happen here: a read that has moved on behind a page which nobody got.
"""

from typing import Any

from pyesdb.model.events import RecordedEvent
from pyesdb.store.readers import Reader


class Repeating:
    """Questions that move a read on; who got the answer to one takes `_as_asked` away."""

    _as_asked: dict[str, Any] | None = None
    """The read as it was when the question was asked, if it may be asked again."""

    def _first(self, reader: Reader) -> list[RecordedEvent]:
        if reader.still or self._as_asked is not None:
            self._go_back()
        return self._open(reader)

    def _next(self, reader: Reader) -> list[RecordedEvent]:
        if reader.still or self._as_asked is not None:
            self._go_back()
        return self._fetch(reader)

    def _go_back(self) -> None:
        """Back to where the read was, when its question is asked again."""
        before = self._as_asked
        if before is None:
            before = self.__dict__.copy()
        else:
            self.__dict__.clear()
            self.__dict__.update(before)
        self._as_asked = before

    def _open(self, reader: Reader) -> list[RecordedEvent]:
        """Fix the end, and fetch the first piece."""
        raise AssertionError(reader)

    def _fetch(self, reader: Reader) -> list[RecordedEvent]:
        """The next piece."""
        raise AssertionError(reader)
