"""The error tree, as drawn in errors.txt."""

import builtins
import pickle
import re

import pytest

import pyesdb
from tests.surface.spec import load_errors

TREE = load_errors()
ROOT = "PyesdbError"


@pytest.mark.parametrize("name", TREE)
def test_place_in_the_tree(name: str) -> None:
    error = TREE[name]
    cls = getattr(pyesdb, name)
    if name == ROOT:
        assert cls.__mro__[1] is Exception
        return
    assert cls.__mro__[1] is getattr(pyesdb, error.parent)
    others = {branch for branch, place in TREE.items() if place.parent == ROOT} - {name, ROOT}
    for branch in others - {error.parent}:
        assert not issubclass(cls, getattr(pyesdb, branch)), branch


@pytest.mark.parametrize("name", TREE)
def test_builtin_class_it_also_is(name: str) -> None:
    place = TREE[name]
    expected = {place.builtin, TREE[place.parent].builtin} - {None}
    cls = getattr(pyesdb, name)
    mixed_in = {base.__name__ for base in cls.__mro__ if base.__module__ == "builtins"}
    for word in expected:
        assert issubclass(cls, getattr(builtins, word or ""))
    plain = {"Exception", "BaseException", "object", "OSError"}
    parents = {base.__name__ for word in expected for base in getattr(builtins, word).__mro__}
    assert mixed_in - plain - parents == set()


@pytest.mark.parametrize("name", TREE)
def test_pickles_with_its_text_and_fields(name: str) -> None:
    cls = getattr(pyesdb, name)
    error = cls("what happened, and what to do")
    error.retry_after = 1.5
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == "what happened, and what to do"
    assert (copy.code, copy.retryable, copy.retry_after) == (error.code, error.retryable, 1.5)


def test_a_class_of_a_user_takes_the_place_of_none() -> None:
    before = dict(pyesdb.PyesdbError.by_code)

    class WrongExpectedVersion(pyesdb.ConflictError):
        """A user's own."""

    class Overdrawn(pyesdb.RequestError):
        """A user's own."""

    assert pyesdb.PyesdbError.by_code == before
    assert (WrongExpectedVersion.code, Overdrawn.code) == ("wrong_expected_version", "overdrawn")
    assert type(pickle.loads(pickle.dumps(pyesdb.WrongExpectedVersion()))).__module__ != __name__
    with pyesdb.open(":memory:") as db, pytest.raises(pyesdb.WrongExpectedVersion):
        db.store().append("s", [], expected=7)


@pytest.mark.parametrize("name", TREE)
def test_says_something_useful_by_itself(name: str) -> None:
    cls = getattr(pyesdb, name)
    assert len((cls.__doc__ or "").strip()) > 15
    assert isinstance(cls.retryable, bool)
    assert cls.retry_after is None


def test_codes_are_different_and_spelled_alike() -> None:
    codes = [getattr(pyesdb, name).code for name in TREE]
    assert len(set(codes)) == len(codes)
    assert [code for code in codes if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)] == []


def test_no_error_outside_the_tree() -> None:
    defined = {
        name for name in pyesdb.__all__
        if isinstance(cls := getattr(pyesdb, name), type) and issubclass(cls, BaseException)
    }  # fmt: skip
    assert defined == set(TREE)
