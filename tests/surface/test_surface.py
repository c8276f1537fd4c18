"""The package against api.pyi, sync and async; what is pending may only get shorter."""

import inspect
from pathlib import Path
from typing import get_type_hints

import pytest

import pyesdb
from tests.surface import compare
from tests.surface.spec import (
    SHARED,
    TWINS,
    Class,
    load_errors,
    load_pending,
    load_surface,
)

SURFACE = load_surface()
PENDING = set(load_pending())
ERRORS = load_errors()
PENDING_MAX = 1
"""How long pending.txt may be; whoever shortens it lowers this."""

CLASSES = [name for name in SURFACE.classes if name not in PENDING]
FUNCTIONS = list(SURFACE.functions)
ENUMS = [name for name in CLASSES if {"Enum", "StrEnum"} & set(SURFACE.classes[name].bases)]


def expected_class(name: str) -> Class:
    """A class of api.pyi; StoreConfig has an attribute for every setting that exists."""
    found = SURFACE.classes[name]
    if name == "StoreConfig":
        settings = SURFACE.classes["StoreSettings"].attributes
        kept = {key: "" for key in settings if f"StoreSettings.{key}" not in PENDING}
        found.attributes = {**kept, **found.attributes}
    return found


def test_the_copy_of_the_surface_is_current() -> None:
    source = SHARED / "api.pyi"
    if not source.exists():
        pytest.skip("the specification is not beside this repository")
    assert Path(__file__).with_name("api.pyi").read_bytes() == source.read_bytes()


def test_the_copy_of_the_error_tree_is_current() -> None:
    source = SHARED / "API.md"
    if not source.exists():
        pytest.skip("the specification is not beside this repository")
    tree = Path(__file__).with_name("errors.txt").read_text("utf-8")
    assert f"```\n{tree}```" in source.read_text("utf-8")


@pytest.mark.parametrize("name", CLASSES)
def test_class(name: str) -> None:
    cls = getattr(pyesdb, name, None)
    assert isinstance(cls, type), f"pyesdb.{name} is missing"
    assert list(compare.sync_class(expected_class(name), cls, PENDING)) == []


@pytest.mark.parametrize("name", [name for name in TWINS if name not in PENDING])
def test_async_twin(name: str) -> None:
    cls = getattr(pyesdb, f"Async{name}", None)
    assert isinstance(cls, type), f"pyesdb.Async{name} is missing"
    assert list(compare.async_class(SURFACE.classes[name], cls, PENDING)) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    target = getattr(pyesdb, name)
    assert list(compare.parameters(name, SURFACE.functions[name], target, PENDING)) == []


def test_open_async_has_the_parameters_of_open_and_is_awaited_or_entered() -> None:
    expected = SURFACE.functions["open"]
    assert list(compare.parameters("open", expected, pyesdb.open_async, PENDING)) == []
    assert not inspect.iscoroutinefunction(pyesdb.open_async)
    opening = get_type_hints(pyesdb.open_async)["return"]
    for name in ("__await__", "__aenter__", "__aexit__"):
        assert hasattr(opening, name), name


@pytest.mark.parametrize("name", ENUMS)
def test_enum_members(name: str) -> None:
    expected = SURFACE.classes[name].members
    actual = {member.name: member.value for member in getattr(pyesdb, name)}
    assert set(actual) == set(expected)
    fixed = {key: value for key, value in expected.items() if value is not ...}
    assert {key: actual[key] for key in fixed} == fixed


@pytest.mark.parametrize("name", ["Events", "AsyncEvents"])
def test_reads_are_their_own_iterators(name: str) -> None:
    cls = getattr(pyesdb, name)
    assert hasattr(cls, "__aiter__" if name.startswith("Async") else "__iter__")


def test_aliases() -> None:
    missing = [name for name in SURFACE.aliases if not hasattr(pyesdb, name)]
    assert missing == []


def test_every_public_name_is_on_the_surface() -> None:
    twins = {f"Async{name}" for name in TWINS if name not in PENDING}
    allowed = SURFACE.names() | set(ERRORS) | twins | {"open_async", "__version__"}
    assert set(pyesdb.__all__) - allowed == set()
    required = {*CLASSES, *FUNCTIONS, *SURFACE.aliases, *ERRORS, *twins, "open_async"}
    assert required - set(pyesdb.__all__) - PENDING == set()
    public = {name for name in dir(pyesdb) if not name.startswith("_")
              and not inspect.ismodule(getattr(pyesdb, name))}  # fmt: skip
    assert public - set(pyesdb.__all__) == set(), "public in the namespace, not in __all__"


@pytest.mark.parametrize("name", [name for name in TWINS if name not in PENDING])
def test_both_halves_have_no_other_public_members(name: str) -> None:
    expected = SURFACE.classes[name]
    allowed = {*expected.methods, *expected.attributes}
    assert compare.public_methods(getattr(pyesdb, name)) - allowed == set()
    assert compare.public_methods(getattr(pyesdb, f"Async{name}")) - allowed == set()


# --- the list of what is pending ---------------------------------------------------------------


def described(entry: str) -> bool:
    """Whether api.pyi has what a pending entry names."""
    match entry.split("."):
        case [name]:
            return name in SURFACE.names()
        case [owner, name] if owner in SURFACE.functions:
            return name in [p.name for p in SURFACE.functions[owner].parameters]
        case [owner, name] if owner in SURFACE.classes:
            cls = SURFACE.classes[owner]
            return name in {*cls.attributes, *cls.methods}
        case [owner, method, name] if method in SURFACE.classes[owner].methods:
            return name in [p.name for p in SURFACE.classes[owner].methods[method].parameters]
        case _:
            return False


def delivered(entry: str) -> bool:
    """Whether the package, in either half, has what a pending entry names."""
    owner, *rest = entry.split(".")
    halves = [getattr(pyesdb, name, None) for name in (owner, f"Async{owner}")]
    for half in filter(None, halves):
        match rest:
            case []:
                return True
            case [name] if isinstance(half, type):
                if name in compare.attributes(half):
                    return True
            case [name]:
                return name in inspect.signature(half).parameters
            case [method, name]:
                target = getattr(half, method, None)
                if target is not None and name in inspect.signature(target).parameters:
                    return True
            case _:
                pass
    return False


def test_pending_entries_are_on_the_surface_and_not_delivered() -> None:
    assert [entry for entry in sorted(PENDING) if not described(entry)] == []
    assert [entry for entry in sorted(PENDING) if delivered(entry)] == []


def test_the_pending_list_only_gets_shorter() -> None:
    entries = load_pending()
    assert len(entries) == len(set(entries)), "named twice"
    assert len(entries) <= PENDING_MAX, "pending.txt may only get shorter"
