"""How a failure is told: one line on stderr that says what to do next, or one JSON object.

Nothing is printed to stdout here: what stands there is always an answer.
"""

import json
from typing import Any
from uuid import UUID

import click

import pyesdb
from pyesdb.cli import exits
from pyesdb.transfer import InvalidExport, SourceConflict, TruncatedExport

NEXT: dict[type[pyesdb.PyesdbError], str] = {
    pyesdb.NoTarget: "give --data DIRECTORY, or set PYESDB_DATA_DIR",
    pyesdb.DatabaseNotFound: "check --data; `pyesdb append` and `pyesdb store create` make one",
    pyesdb.NotADatabase: "give --data another directory",
    pyesdb.StoreNotFound: "`pyesdb store list` shows the stores",
    pyesdb.StreamNotFound: "`pyesdb streams` shows the streams",
    pyesdb.StoreAlreadyExists: "use it as it is, or give --exist-ok",
    pyesdb.WrongExpectedVersion: "the last version: `pyesdb read STREAM --backwards --limit 1`",
    SourceConflict: "give this import another --source NAME",
    TruncatedExport: "export it again, or take it as it is with --allow-partial",
    InvalidExport: "mend that line or export again, then repeat the import",
    pyesdb.StoreFrozen: "`pyesdb store thaw` lets it take writes again",
    pyesdb.OutcomeUnknown: "read the stream before you repeat the call",
}
"""What to type next, where the command line has more to say than the error itself."""


def report(error: pyesdb.PyesdbError, *, as_json: bool) -> int:
    """Tell an error of the event store; returns the exit code."""
    code = exits.exit_code(error)
    advice = next((NEXT[kind] for kind in type(error).__mro__ if kind in NEXT), "")
    if as_json:
        fields = {name: _plain(value) for name, value in vars(error).items()}
        described = {
            **fields,
            "code": error.code,
            "message": str(error),
            "next": advice,
            "retryable": error.retryable,
            "retry_after": error.retry_after,
            "exit_code": code,
        }
        click.echo(json.dumps(described), err=True)
        return code
    text = f"{type(error).__name__}: {error}"
    click.echo(_one_line(f"{text.rstrip('.')}. Next: {advice}" if advice else text), err=True)
    return code


def report_usage(error: click.ClickException, *, as_json: bool) -> int:
    """Tell a failure of the command line itself, mostly that it is wrong; returns the exit code."""
    if as_json:
        code = "usage" if error.exit_code == exits.USAGE else "failed"
        message = error.format_message()
        described = {"code": code, "message": message, "exit_code": error.exit_code}
        click.echo(json.dumps(described), err=True)
    else:
        error.show()
    return error.exit_code


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _plain(value: object) -> Any:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, pyesdb.StreamState):
        return value.name.lower()
    return str(value) if isinstance(value, UUID) else repr(value)
