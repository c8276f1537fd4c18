"""`EventTypes`: which class stands for which event type, at which version, and how old versions
become new ones.

What must never happen here: a mistake in what was registered that shows only when some old event
is read. `resolve` finds all of them at once, before anything is read.
"""

from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar

from pyesdb.model.checks import check_int
from pyesdb.model.errors import RequestError
from pyesdb.model.kinds import KINDS, kind_of, name_of
from pyesdb.model.names import check_type
from pyesdb.types.codecs import Codec, NoCodec, Upcaster, called
from pyesdb.types.resolved import Resolved

F = TypeVar("F", bound=Callable[..., Any])
_Class = type  # `add` has a parameter of that name


class EventTypes:
    """The classes of a program's events. Give it to `Database.store(types=)`.

    Objects of registered classes can be appended, and `RecordedEvent.body` is one. An event says
    in its metadata (`schema_version`) which version of its type it is; without, it is version 1.
    """

    def __init__(self) -> None:
        self._classes: dict[tuple[str, type, int], None] = {}
        self._upcasters: list[tuple[str, int, Upcaster]] = []
        self._resolved: Resolved | None = None
        self._lock = RLock()  # modules that register may be imported by any thread, at any time

    def add(self, type: _Class[Any], *, name: str | None = None, version: int = 1) -> None:  # noqa: A002
        """Register a class for the event type `name`, by default the class's own name.

        `version`: of its present shape; raise it when events stored before need an upcaster. A
        class may have several names: all are read as it, the first is what it is appended as.
        The same again changes nothing. Raises RequestError for what is no event class.
        """
        if kind_of(type) is None:
            raise RequestError(f"add takes the class of an event ({KINDS}), not {type!r:.60}")
        check_int(version, "version", least=1)
        key = (check_type(type.__name__ if name is None else name), type, version)
        with self._lock:
            self._classes[key] = None
            self._resolved = None

    def upcast(self, name: str, *, from_version: int) -> Callable[[F], F]:
        """Decorate a function that makes data of version `from_version` data of the next one.

        It gets the event's data as a dict, its own to change, and returns a dict. Every version
        below the registered one needs an upcaster: they are applied one after the other.
        """
        check_type(name)
        check_int(from_version, "from_version", least=1)

        def registered(function: F) -> F:
            if not callable(function):
                raise RequestError(f"an upcaster is a function, not {function!r:.60}")
            with self._lock:
                if (name, from_version, function) not in self._upcasters:
                    self._upcasters.append((name, from_version, function))
                self._resolved = None
            return function

        return registered

    def __repr__(self) -> str:
        return f"<EventTypes {', '.join(sorted({name for name, _, _ in self._classes}))}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (tuple(self._classes), tuple(self._upcasters))


def restored(
    classes: tuple[tuple[str, type, int], ...], upcasters: tuple[tuple[str, int, Upcaster], ...]
) -> EventTypes:
    """EventTypes of what was pickled."""
    types = EventTypes()
    for name, cls, version in classes:
        types.add(cls, name=name, version=version)
    for name, from_version, function in upcasters:
        types.upcast(name, from_version=from_version)(function)
    return types


def resolve(types: object) -> Resolved:
    """What was registered until now, proven; raises RequestError with everything that is wrong."""
    if not isinstance(types, EventTypes):
        raise RequestError(f"types must be an EventTypes, not {type(types).__name__}")
    with types._lock:  # pyright: ignore[reportPrivateUsage]
        found = types._resolved  # pyright: ignore[reportPrivateUsage]
        if found is None:
            found = _Resolving(types).resolved()
            types._resolved = found  # pyright: ignore[reportPrivateUsage]
        return found


class _Resolving:
    """Proves what was registered, and keeps every problem that it meets."""

    def __init__(self, types: EventTypes) -> None:
        self._types = types
        self._classes: dict[str, list[tuple[type, int]]] = {}
        for name, cls, version in types._classes:  # pyright: ignore[reportPrivateUsage]
            self._classes.setdefault(name, []).append((cls, version))
        self._problems: list[str] = []

    def resolved(self) -> Resolved:
        for name, found in self._classes.items():
            if len(found) > 1:
                which = ", ".join(f"{name_of(cls)} at version {n}" for cls, n in found)
                again = len({name_of(cls) for cls, _ in found}) < len(found)
                advice = "make a new EventTypes where its class is made anew" if again else ""
                self._problem(
                    f"event type {name!r} is registered more than once ({which}): "
                    f"{advice or 'keep one'}"
                )
        chains = self._chains({name: found[-1][1] for name, found in self._classes.items()})
        codecs: list[Codec] = []
        for name, ((cls, version), *_) in self._classes.items():
            try:
                codecs.append(Codec(name, cls, version, chains[name]))
            except NoCodec as error:
                self._problem(f"event type {name!r}: {error}")
        if self._problems:
            count = len(self._problems)
            what = "a problem" if count == 1 else f"{count} problems"
            raise RequestError(f"these EventTypes have {what}: {'; '.join(self._problems)}")
        return Resolved(codecs, self._types.__reduce__()[1])

    def _problem(self, text: str) -> None:
        self._problems.append(text)

    def _chains(self, versions: dict[str, int]) -> dict[str, tuple[Upcaster, ...]]:
        """For each event type its upcasters, from version 1 on."""
        from difflib import get_close_matches

        chains: dict[str, dict[int, Upcaster]] = {name: {} for name in versions}
        for name, start, function in self._types._upcasters:  # pyright: ignore[reportPrivateUsage]
            where = f"upcaster {called(function)} of {name!r} from version {start}"
            if name not in versions:
                near = get_close_matches(name, versions, 1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                self._problem(f"{where}: no class is registered for {name!r}{hint}")
            elif start >= versions[name]:
                self._problem(
                    f"{where} leads beyond version {versions[name]}, which is registered: "
                    f"register the class at version {start + 1}"
                )
            elif start in chains[name]:
                self._problem(f"{where}: {called(chains[name][start])} does that: keep one")
            else:
                chains[name][start] = function
        for name, chain in chains.items():
            if missing := [n for n in range(1, versions[name]) if n not in chain]:
                self._problem(
                    f"event type {name!r} is at version {versions[name]} and has no upcaster from "
                    f"version {', '.join(map(str, missing))}"
                )
        return {name: tuple(chain[n] for n in sorted(chain)) for name, chain in chains.items()}
