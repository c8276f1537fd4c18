"""Every error a user can meet, as one tree (API "Errors").

    PyesdbError
      RequestError(ValueError)      the call is wrong: change it
      ConflictError                 the state is not what the caller expected: reload and decide
      NotFound(LookupError)         there is no such thing
      AccessDenied(PermissionError) not allowed
      Unavailable                   not now: the same call may work later; nothing was stored
      OutcomeUnknown                proposed, and not known whether it was stored: ask with the id
      Ended                         what the handle pointed to is over
      Fault                         something is broken

The text of an error says what happened and what to do next; its fields carry the same facts typed.
"""

import re
from typing import Any, ClassVar
from uuid import UUID

from pyesdb.model.versions import ExpectedVersion, StreamVersion


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class PyesdbError(Exception):
    """An operation of the event store failed."""

    code: str = "pyesdb_error"
    retryable: bool = False
    retry_after: float | None = None
    by_code: ClassVar[dict[str, type["PyesdbError"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.code = _snake(cls.__name__)
        if cls.__module__.partition(".")[0] == "pyesdb":  # a user's takes the place of none of ours
            PyesdbError.by_code[cls.code] = cls

    def __init__(self, message: str = "", **fields: Any) -> None:
        doc = (type(self).__doc__ or "").strip().splitlines()
        super().__init__(message or (doc[0] if doc else type(self).__name__))
        self.__dict__.update(fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


def _rebuild(cls: type[PyesdbError], args: tuple[Any, ...], fields: dict[str, Any]) -> PyesdbError:
    error = cls(*args)
    error.__dict__.update(fields)
    return error


class RequestError(PyesdbError, ValueError):
    """The call is wrong and will never succeed as it is: change it."""


class InvalidStoreId(RequestError):
    """A store id must match [a-z][a-z0-9_-]{0,62} and be no reserved device name."""


class InvalidStreamName(RequestError):
    """A stream name must be 1-512 bytes of UTF-8, no control characters, not starting with $."""


class InvalidEvent(RequestError):
    """The event cannot be stored as it is, or not be read as what was asked for.

    The fields say which one it is, where a stored event has no `body`; else they are None.
    """

    store: str | None = None
    stream: str | None = None
    version: int | None = None
    position: int | None = None
    type: str | None = None
    schema_version: int | None = None


class InvalidSelector(RequestError):
    """The selector is not one that the store can evaluate."""


class InvalidConfig(RequestError):
    """A setting is unknown or has a value that is not allowed."""


class InvalidTarget(RequestError):
    """The target is neither a directory nor ":memory:"."""


class NoTarget(RequestError):
    """No target was given: pass a directory, or set PYESDB_URL or PYESDB_DATA_DIR."""


class LimitExceeded(RequestError):
    """Something is larger than its limit; nothing was stored."""

    limit: int
    value: int
    setting: str


class WrongEventLoop(RequestError):
    """An async handle belongs to the event loop in which it was first used."""


class CommandMismatch(RequestError):
    """This command id already succeeded with other content: use a new id."""


class WindowFull(RequestError):
    """The consumer holds a full window of unacknowledged events: ack some first."""


class ConflictError(PyesdbError):
    """The state is not what the caller expected: read again and decide anew."""


class WrongExpectedVersion(ConflictError):
    """The stream is not at the expected version: read it again and decide anew."""

    stream: str
    expected: ExpectedVersion
    actual: StreamVersion


class ConditionFailed(ConflictError):
    """An event that matches the append condition exists: read again and decide anew."""

    position: int


class StoreAlreadyExists(ConflictError):
    """A store with this id exists: open it with store(), or pass exist_ok=True."""


class SubscriptionAlreadyExists(ConflictError):
    """A subscription with this name and other settings exists."""


class SnapshotConflict(ConflictError):
    """A snapshot with other content stands at this source, stream and version."""


class TrackingConflict(ConflictError):
    """The tracked position of this source does not increase; nothing was stored."""

    source: str
    position: int
    recorded: int


class ProjectionBusy(ConflictError):
    """Another projector runs this projection of this store into this read model."""


class NotFound(PyesdbError, LookupError):
    """There is no such thing."""


class DatabaseNotFound(NotFound):
    """There is no database in this directory: check the path, or open with create=True."""


class NotADatabase(NotFound):
    """The directory holds something else than a pyesdb database: choose another one."""


class StoreNotFound(NotFound):
    """There is no store with this id: create_store() makes one, list_stores() shows them."""


class StreamNotFound(NotFound):
    """There is no such stream: check the name, or pass missing_ok=True."""


class StreamDeleted(NotFound):
    """The stream was deleted; an append brings it back."""


class StreamTombstoned(NotFound):
    """The stream was tombstoned: it can never be used again."""


class SubscriptionNotFound(NotFound):
    """There is no subscription with this name."""


class SnapshotNotFound(NotFound):
    """There is no such snapshot."""


class AccessDenied(PyesdbError, PermissionError):
    """The handle or the user may not do this."""

    def __str__(self) -> str:
        return PyesdbError.__str__(self)


class Unauthenticated(AccessDenied):
    """The user is not known, or the secret is wrong."""


class Unavailable(PyesdbError):
    """Not possible now; nothing was stored; the same call may work later."""

    retryable = True


class DatabaseLocked(Unavailable):
    """Another process holds the database exclusively: use its server, or stop it first."""

    pid: int
    host: str
    command: str


class StoreFrozen(Unavailable):
    """The store is frozen: it answers reads only."""

    retryable = False


class StoreStarting(Unavailable):
    """The store is being created and not ready yet."""


class LeaderUnavailable(Unavailable):
    """The store has no leader at the moment."""


class RateLimited(Unavailable):
    """Too many calls: wait for retry_after seconds."""


class DiskFull(Unavailable):
    """The disk is full: nothing was stored; free some space and call again."""


class ConnectionLost(Unavailable, ConnectionError):
    """The connection to the server was lost."""

    def __str__(self) -> str:
        return PyesdbError.__str__(self)


class DeadlineExceeded(Unavailable, TimeoutError):
    """The deadline passed while the call waited for its turn: nothing was stored, call again."""

    def __str__(self) -> str:
        return PyesdbError.__str__(self)


class OutcomeUnknown(PyesdbError):
    """The deadline passed while the command was under way: repeat it with the same command_id."""

    command_id: UUID


class Ended(PyesdbError):
    """What this handle pointed to is over."""


class DatabaseClosed(Ended):
    """The database was closed: open it again."""


class StoreRemoved(Ended):
    """The store of this handle was removed."""


class SubscriptionRemoved(Ended):
    """The subscription was removed."""


class HistoryChanged(Ended):
    """The token or cursor belongs to another history of the store: start again from a read."""


class Forked(Ended):
    """The handle was opened before fork(): open the database in the child process."""


class Fault(PyesdbError):
    """Something is broken."""


class StoreFailed(Fault):
    """The store cannot run; the others go on."""


class Corrupt(Fault):
    """A file of the store is damaged: restore a backup; other stores are not affected."""


class NewerFormat(Fault):
    """The files were written by a newer pyesdb: upgrade this one."""


class UnsafeFileSystem(Fault):
    """The directory is on a network file system, where locks and fsync are not reliable."""


class Internal(Fault):
    """A defect of pyesdb: please report it."""


def error_for(code: str, message: str, fields: dict[str, Any]) -> PyesdbError:
    """The error of a code; an unknown code becomes `Internal`."""
    return PyesdbError.by_code.get(code, Internal)(message, **fields)


__all__ = [
    "AccessDenied",
    "CommandMismatch",
    "ConditionFailed",
    "ConflictError",
    "ConnectionLost",
    "Corrupt",
    "DatabaseClosed",
    "DatabaseLocked",
    "DatabaseNotFound",
    "DeadlineExceeded",
    "DiskFull",
    "Ended",
    "Fault",
    "Forked",
    "HistoryChanged",
    "Internal",
    "InvalidConfig",
    "InvalidEvent",
    "InvalidSelector",
    "InvalidStoreId",
    "InvalidStreamName",
    "InvalidTarget",
    "LeaderUnavailable",
    "LimitExceeded",
    "NewerFormat",
    "NoTarget",
    "NotADatabase",
    "NotFound",
    "OutcomeUnknown",
    "ProjectionBusy",
    "PyesdbError",
    "RateLimited",
    "RequestError",
    "SnapshotConflict",
    "SnapshotNotFound",
    "StoreAlreadyExists",
    "StoreFailed",
    "StoreFrozen",
    "StoreNotFound",
    "StoreRemoved",
    "StoreStarting",
    "StreamDeleted",
    "StreamNotFound",
    "StreamTombstoned",
    "SubscriptionAlreadyExists",
    "SubscriptionNotFound",
    "SubscriptionRemoved",
    "TrackingConflict",
    "Unauthenticated",
    "Unavailable",
    "UnsafeFileSystem",
    "WindowFull",
    "WrongEventLoop",
    "WrongExpectedVersion",
]
