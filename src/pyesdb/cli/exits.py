"""Exit codes: one table, from which `pyesdb --help`, the docs page and the tests come.

A code names a family of errors, never a single one: scripts tell the families apart by the code,
and the errors of a family by `code` in the JSON on stderr.
"""

from dataclasses import dataclass

import pyesdb

OK = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130
CLOSED_PIPE = 141


@dataclass(frozen=True)
class Exit:
    """One exit code: what it stands for, and the error family that ends in it (if one does)."""

    code: int
    meaning: str
    family: type[pyesdb.PyesdbError] | None = None


TABLE: tuple[Exit, ...] = (
    Exit(OK, "done"),
    Exit(
        FAILED,
        "a check, or one of many stores, failed; the system refused; or a defect (traceback)",
    ),
    Exit(USAGE, "the call is wrong: change it; nothing was stored", pyesdb.RequestError),
    Exit(3, "there is no such database, store or stream", pyesdb.NotFound),
    Exit(4, "the state is not what was expected: read again and decide anew", pyesdb.ConflictError),
    Exit(5, "not allowed", pyesdb.AccessDenied),
    Exit(6, "not now; nothing was stored; the same call may work later", pyesdb.Unavailable),
    Exit(7, "not known whether it was stored: look before you repeat it", pyesdb.OutcomeUnknown),
    Exit(8, "what the call worked on was removed meanwhile", pyesdb.Ended),
    Exit(9, "something is broken", pyesdb.Fault),
    Exit(INTERRUPTED, "interrupted (Ctrl-C)"),
    Exit(CLOSED_PIPE, "the reader of the output went away, as `head` does"),
)


def exit_code(error: pyesdb.PyesdbError) -> int:
    """The exit code of an error: that of its family."""
    for row in TABLE:
        if row.family is not None and isinstance(error, row.family):
            return row.code
    return FAILED
