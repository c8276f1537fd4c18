"""Errors of pyesdb as the library's own, so that its retries and its users' handlers work.

The error of pyesdb is the cause (`__cause__`) of the one that is raised, with its typed fields.
What must never happen here: a conflict that is not an IntegrityError, or an IntegrityError that is
no conflict: the library's users read again and repeat when they see one.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from eventsourcing import persistence

import pyesdb

P = ParamSpec("P")
R = TypeVar("R")

TABLE: tuple[
    tuple[tuple[type[pyesdb.PyesdbError], ...], type[persistence.PersistenceError]], ...
] = (
    (
        (pyesdb.ConflictError, pyesdb.StreamDeleted, pyesdb.StreamTombstoned),
        persistence.IntegrityError,
    ),
    (
        (
            pyesdb.InvalidEvent,
            pyesdb.InvalidStreamName,
            pyesdb.InvalidSelector,
            pyesdb.LimitExceeded,
        ),
        persistence.DataError,
    ),
    ((pyesdb.RequestError, pyesdb.NotFound), persistence.ProgrammingError),
    ((pyesdb.DatabaseClosed, pyesdb.Forked), persistence.InterfaceError),
    ((pyesdb.NewerFormat, pyesdb.UnsafeFileSystem), persistence.NotSupportedError),
    ((pyesdb.Corrupt, pyesdb.Internal), persistence.InternalError),
    ((pyesdb.PyesdbError,), persistence.OperationalError),
)
"""The first line that fits counts; the last one fits everything: what is unavailable, unknown,
ended or failed."""


def of(error: pyesdb.PyesdbError) -> persistence.PersistenceError:
    """The library's error for one of pyesdb."""
    kind = next(kind for kinds, kind in TABLE if isinstance(error, kinds))
    return kind(str(error))


def translated(function: Callable[P, R]) -> Callable[P, R]:
    """The function, raising the library's errors."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except pyesdb.PyesdbError as error:
            raise of(error) from error

    return call
