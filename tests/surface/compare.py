"""Compares live objects with what api.pyi says; every difference is one line of text."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

from tests.surface.spec import (
    ANYTHING,
    ASYNC_SPELLING,
    NEVER_AWAITED,
    REQUIRED,
    Class,
    Function,
    Parameter,
)

AWAITABLE = ("Coroutine", "Awaitable", "Future")
ITERATOR = ("Iterator", "Iterable", "Generator")


def signature(target: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function, method or class, without self."""
    found = list(inspect.signature(target).parameters.values())
    return found[1:] if found and found[0].name in ("self", "cls") else found


def _default_differs(expected: object, actual: object) -> bool:
    if expected is REQUIRED:
        return actual is not inspect.Parameter.empty
    if expected is ANYTHING:
        return actual is inspect.Parameter.empty
    return not (type(actual) is type(expected) and actual == expected)


def _parameter(where: str, expected: Parameter, actual: inspect.Parameter) -> Iterator[str]:
    if actual.kind.name != expected.kind:
        yield f"{where}: {expected.name} is {actual.kind.name}, not {expected.kind}"
    if _default_differs(expected.default, actual.default):
        wanted = "none" if expected.default is REQUIRED else repr(expected.default)
        yield f"{where}: default of {expected.name} is {actual.default!r}, not {wanted}"
    if expected.annotated and actual.annotation is inspect.Parameter.empty:
        yield f"{where}: {expected.name} has no annotation"


def parameters(
    where: str, expected: Function, target: Callable[..., Any], pending: set[str]
) -> Iterator[str]:
    """Names, order, kinds, defaults and annotations of a call's parameters."""
    wanted = [p for p in expected.parameters if f"{where}.{p.name}" not in pending]
    actual = signature(target)
    names = [p.name for p in actual]
    if names != [p.name for p in wanted]:
        yield f"{where}: parameters are {names}, not {[p.name for p in wanted]}"
        return
    for one, other in zip(wanted, actual, strict=True):
        yield from _parameter(where, one, other)
    returns = inspect.signature(target).return_annotation
    if returns is inspect.Signature.empty and not isinstance(target, type):
        yield f"{where}: no return annotation"


def _set_by_init(cls: type) -> set[str]:
    init = vars(cls).get("__init__")
    if not inspect.isfunction(init):
        return set()
    stored = (
        node
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(init))))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    )
    return {node.attr for node in stored if ast.unparse(node.value) == "self"}


def attributes(cls: type) -> set[str]:
    """Every name that an instance has: annotated, slotted, defined or set by `__init__`."""
    found: set[str] = set()
    for base in cls.__mro__[:-1]:
        found |= set(vars(base)) | set(inspect.get_annotations(base)) | _set_by_init(base)
        slots = vars(base).get("__slots__", ())
        found |= {slots} if isinstance(slots, str) else set(slots)
    return found


def _binding(cls: type, expected: Function) -> Iterator[str]:
    raw = inspect.getattr_static(cls, expected.name)
    if expected.binding in ("staticmethod", "classmethod"):
        if type(raw).__name__ != expected.binding:
            yield f"{cls.__name__}.{expected.name} is no {expected.binding}"
    elif not callable(raw):
        yield f"{cls.__name__}.{expected.name} is no method"


def sync_class(expected: Class, cls: type, pending: set[str]) -> Iterator[str]:
    """A class of the sync half (or a shared one) against its description."""
    present = attributes(cls)
    keys = get_type_hints(cls) if expected.is_typed_dict else {}
    for name in expected.attributes:
        if f"{expected.name}.{name}" not in pending and name not in {*present, *keys}:
            yield f"{expected.name}.{name} is missing"
    for name, method in expected.methods.items():
        where = f"{expected.name}.{name}"
        if where in pending:
            continue
        if name not in present and name != "__init__":
            yield f"{where} is missing"
            continue
        if name == "__init__":
            yield from parameters(where, method, cls, pending)
            continue
        yield from _binding(cls, method)
        yield from parameters(where, method, getattr(cls, name), pending)


def is_awaited(target: Callable[..., Any]) -> bool:
    """Whether a call's result must be awaited."""
    returns = str(inspect.signature(target).return_annotation)
    return inspect.iscoroutinefunction(target) or any(
        returns.removeprefix("collections.abc.").removeprefix("typing.").startswith(word)
        for word in AWAITABLE
    )


def async_class(expected: Class, cls: type, pending: set[str]) -> Iterator[str]:
    """An Async twin: same members, same parameters, awaited as api.pyi's header says."""
    present = attributes(cls)
    for name in expected.attributes:
        if f"{expected.name}.{name}" not in pending and name not in present:
            yield f"Async{expected.name}.{name} is missing"
    for name, method in expected.methods.items():
        if f"{expected.name}.{name}" in pending:
            continue
        twin = ASYNC_SPELLING.get(name, name)
        where = f"Async{expected.name}.{twin}"
        if twin not in present:
            yield f"{where} is missing"
            continue
        target = getattr(cls, twin)
        renamed = {entry.replace(f"{expected.name}.{name}.", f"{where}.") for entry in pending}
        yield from parameters(where, method, target, renamed)
        if is_awaited(target) == (name in NEVER_AWAITED):
            yield f"{where} must {'not ' if name in NEVER_AWAITED else ''}be awaited"
        returns = str(inspect.signature(target).return_annotation)
        if method.returns.startswith(ITERATOR) and "Async" not in returns:
            yield f"{where} returns no async iterator but {returns}"


def public_methods(cls: type) -> set[str]:
    """The public members that a class itself or a private base of it adds."""
    bases = [base for base in cls.__mro__ if base.__module__.startswith("pyesdb")]
    return {name for base in bases for name in vars(base) if not name.startswith("_")}
