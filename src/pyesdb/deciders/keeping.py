"""`Keeping`: a decider's states as snapshots.

What must never happen here: a snapshot that another decider made, or this one before its state or
its `evolve` changed, is taken for a state; or a state that comes back as something else is kept.
So a snapshot's source names the decider and a digest of what made it, and each state is read back
before it is kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial, singledispatchmethod
from hashlib import blake2b
from types import CodeType, FunctionType, UnionType
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from pyesdb.model import encoding
from pyesdb.model.errors import PyesdbError, RequestError
from pyesdb.model.kinds import name_of
from pyesdb.model.results import Snapshot

S = TypeVar("S")
_NAME_MAX = 120


class Kept(msgspec.Struct):
    """What a snapshot of a decider holds: which kind of state it is, and the state."""

    kind: str
    state: msgspec.Raw


class Keeping(Generic[S]):
    """Raises RequestError when the initial state cannot be kept."""

    def __init__(self, initial: Callable[[], S], evolve: Callable[[S, Any], S]) -> None:
        first = initial()
        self._kinds = _kinds(first, evolve)
        self.source = _source(evolve, self._kinds)
        self.data(first)

    def data(self, state: S) -> dict[str, Any]:
        """What is kept of a state; raises RequestError when it does not come back as it was."""
        kind = type(state).__name__
        if kind not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            raise RequestError(
                f"the state is a {name_of(type(state))}, and snapshots can hold {known}: say in "
                "evolve's annotation what it returns"
            )
        data = {"kind": kind, "state": state}
        encoded = encoding.encode(data, "the state")
        back = self._state(encoded)
        if back != state and not _same(back, state, encoded):
            raise RequestError(
                f"a state of {name_of(type(state))} does not come back from a snapshot as it was "
                f"({back!r:.200} instead of {state!r:.200}): make it of dataclasses or Structs "
                "with annotated fields, and say in evolve's annotation what it returns"
            )
        return data

    def state(self, snapshot: Snapshot) -> S:
        """The state of a snapshot; raises RequestError when it is none."""
        return self._state(snapshot.data)

    def _state(self, data: bytes) -> S:
        try:
            kept = msgspec.json.decode(data, type=Kept)
            return encoding.decode_as(bytes(kept.state), self._kinds[kept.kind], "the state")
        except (msgspec.MsgspecError, KeyError) as error:
            raise RequestError(f"the snapshot holds no state of this decider: {error}") from error
        except PyesdbError as error:
            raise RequestError(str(error)) from error


def _same(back: object, state: object, encoded: bytes) -> bool:
    """Whether a state of a class without comparison came back: it is encoded as it was."""
    if type(state).__eq__ is not object.__eq__ or type(back) is not type(state):
        return False
    data = {"kind": type(back).__name__, "state": back}
    return encoding.encode(data, "the state") == encoded


def _kinds(first: object, evolve: Callable[..., Any]) -> dict[str, Any]:
    """The kinds of states by name: those of evolve's annotation, and that of the first state."""
    try:
        hint: Any = get_type_hints(_function(evolve)).get("return")
    except (NameError, TypeError, AttributeError):
        hint = None
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    found: dict[str, Any] = {}
    for member in members:
        cls = get_origin(member) or member
        if isinstance(cls, type) and cls is not object:
            found[cls.__name__] = member
    found.setdefault(type(first).__name__, type(first))
    return found


def _source(evolve: Callable[..., Any], kinds: dict[str, Any]) -> str:
    function = _function(evolve)
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    digest = blake2b(digest_size=8)
    for part in (*_parts(function, kinds), *_given(evolve, function)):
        digest.update(part + b"\x00")
    return f"{name[-_NAME_MAX:]}/{digest.hexdigest()}"


def _parts(function: Any, kinds: dict[str, Any]) -> Iterator[bytes]:
    for name, kind in sorted(kinds.items()):
        yield name.encode()
        yield _shape(kind).encode()
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType):
        yield from _of_code(code)


def _given(evolve: Any, function: Any) -> Iterator[bytes]:
    """What stands around the function (decorators, by their code), and what each was given when it
    was made: an object, defaults, arguments of a partial, cells, functions to choose from.
    """
    for layer in _layers(evolve):
        if isinstance(layer, partial):
            given = cast("partial[Any]", layer)
            yield from _values([*given.args, *sorted(given.keywords.items())])
            continue
        call = _called(layer)
        if call is not function:
            yield from _values([call])
        yield from _own(getattr(layer, "__self__", None if layer is function else layer))
        yield from _values(getattr(call, "__defaults__", None) or ())
        named: dict[str, Any] = getattr(call, "__kwdefaults__", None) or {}
        yield from _values(sorted(named.items()))
        cells = _cells(call)
        yield from _values(cells)
        yield from _dispatched(layer, cells)


def _own(owner: Any) -> Iterator[bytes]:
    """The values that an object has of its own."""
    own: dict[str, Any] = getattr(owner, "__dict__", {})
    yield from _values(sorted((k, v) for k, v in own.items() if k[:2] != "__"))


def _cells(function: Any) -> list[Any]:
    """What a function encloses."""
    found: list[Any] = []
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # it is empty
            found.append(cell.cell_contents)
    return found


def _dispatched(layer: Any, cells: list[Any]) -> Iterator[bytes]:
    """The functions that a singledispatch chooses from, by class; a method encloses its object."""
    registry: Any = getattr(layer, "registry", None)
    method: Any = getattr(getattr(layer, "register", None), "__self__", None)
    if isinstance(method, singledispatchmethod):
        registry = cast("Any", method).dispatcher.registry
        for owner in cells:
            if owner is not method and not isinstance(owner, (type, FunctionType)):
                yield from _own(owner)
    if not isinstance(registry, Mapping):
        return
    chosen = cast("Mapping[type, Any]", registry)
    for cls in sorted(chosen, key=name_of):
        function = _function(chosen[cls])
        yield name_of(cls).encode()
        yield from _values([function, *_cells(function)])


def _values(values: Iterable[Any]) -> Iterator[bytes]:
    """Plain values, and functions by their code; other objects have no name that stays."""
    for value in values:
        code = getattr(value, "__code__", None)
        if isinstance(value, tuple):
            yield from _values(cast("tuple[Any, ...]", value))
        elif isinstance(code, CodeType):
            yield from _of_code(code)
        elif value is None or isinstance(value, (str, bytes, int, float)):
            yield repr(value).encode()


def _shape(kind: Any) -> str:
    """What the data of a kind of state looks like."""
    schema = getattr(kind, "model_json_schema", None)
    try:
        found: Any = schema() if callable(schema) else msgspec.json.schema(kind)
    except (TypeError, NameError, AttributeError):
        return repr(getattr(kind, "__annotations__", kind))
    return encoding.encode(found, "the schema").decode()


def _of_code(code: CodeType) -> Iterator[bytes]:
    """What a function does, without where it stands; functions inside it, too."""
    yield code.co_code
    yield " ".join([*code.co_names, *code.co_varnames, *code.co_freevars]).encode()
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _of_code(const)
        elif isinstance(const, frozenset):
            yield repr(sorted(map(repr, cast("frozenset[Any]", const)))).encode()
        else:
            yield repr(const).encode()


def _layers(evolve: Any) -> Iterator[Any]:
    """`evolve`, and what stands in it: in a partial, in a decorator; the innermost last."""
    while True:
        yield evolve
        if isinstance(evolve, partial):
            evolve = cast("partial[Any]", evolve).func
        elif hasattr(evolve, "__wrapped__"):
            evolve = evolve.__wrapped__
        else:
            return


def _function(evolve: Any) -> Any:
    """The function behind partials, decorators, a bound method or an object that can be called."""
    *_, inner = _layers(evolve)
    return _called(inner)


def _called(layer: Any) -> Any:
    """The function itself of a bound method or an object that can be called."""
    layer = getattr(layer, "__func__", layer)
    if not hasattr(layer, "__code__") and not isinstance(layer, type):
        layer = getattr(cast("Any", type(layer)), "__call__", layer)  # noqa: B004
    return layer
