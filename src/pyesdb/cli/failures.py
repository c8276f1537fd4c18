"""How a failure is told: one line on stderr that says what to do next, or one JSON object.

Nothing is printed to stdout here: what stands there is always an answer.
"""

import json
import os
import re
import shutil
import sys
import textwrap
from io import StringIO
from typing import Any
from uuid import UUID

import click

import pyesdb
from pyesdb.cli import exits, people
from pyesdb.cli.settings import current

NEXT: dict[str, str] = {
    "NoTarget": "give --data DIRECTORY, or set PYESDB_DATA_DIR",
    "DatabaseNotFound": "check --data; `pyesdb append` and `pyesdb store create` make one",
    "NotADatabase": "give --data another directory",
    "StoreNotFound": "`pyesdb store list` shows the stores",
    "StreamNotFound": "`pyesdb streams` shows the streams",
    "SubscriptionNotFound": "`pyesdb sub list` shows them",
    "SubscriptionAlreadyExists": "--exist-ok takes it as it is, `pyesdb sub update` changes it",
    "StoreAlreadyExists": "`create` has --exist-ok, `restore` and `recover` have --as ID",
    "WrongExpectedVersion": "the last version: `pyesdb read STREAM --backwards --limit 1`",
    "SourceConflict": "give this import another --source NAME",
    "TruncatedExport": "export it again, or take it as it is with --allow-partial",
    "InvalidExport": "mend that line or export again, then repeat the import",
    "StoreFrozen": "`pyesdb store thaw` lets it take writes again",
    "OutcomeUnknown": "read the stream before you repeat the call",
}
"""What to type next, where the command line has more to say than the error itself, by its name:
of all rooms, so that none is imported for it."""

_PYTHON = re.compile(r"\w\(|\w=|\bpass\b|command_id")
"""Advice for who writes Python: a call, an argument."""
_RECOVER = " (recover_store)"
"""The end of what is said of a store in the trash."""


def report(error: pyesdb.PyesdbError, *, as_json: bool) -> int:
    """Tell an error of the event store; returns the exit code."""
    code = exits.exit_code(error)
    advice = _next(error)
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
    _tell(type(error).__name__, _what(str(error)) if advice else str(error), advice)
    return code


def _what(message: str) -> str:
    """What happened, without the advice behind the last colon when it is for who writes Python.

    A colon in a name stands between quotes, one of which is then behind it.
    """
    message = message.removesuffix(_RECOVER)
    happened, colon, advice = message.rpartition(": ")
    quoted = advice.count("'") % 2 or advice.count('"') % 2
    return happened if colon and not quoted and _PYTHON.search(advice) else message


def report_system(error: OSError, *, as_json: bool) -> int:
    """Tell what the system refused: a full disk under the output, a right; returns the code."""
    if as_json:
        described = {"code": "system", "message": str(error), "exit_code": exits.FAILED}
        click.echo(json.dumps(described), err=True)
    else:
        _tell("the system refused", str(error), "")
    return exits.FAILED


def _tell(name: str, message: str, advice: str) -> None:
    """One line; a person at a terminal gets colours, and lines that end between words."""
    if not sys.stderr.isatty():
        text = f"{name}: {message}"
        click.echo(_one_line(f"{text.rstrip('.')}. Next: {advice}" if advice else text), err=True)
        return
    bold = not os.environ.get("NO_COLOR")
    for mark, words in ((name, message), ("Next", advice)):
        if words:
            told = _wrapped(f"{mark}: {_one_line(words)}")
            colour = "red" if mark == name else "green"
            head = click.style(mark, fg=colour, bold=True) if bold else mark
            click.echo(head + told.removeprefix(mark), err=True)


def _wrapped(text: str) -> str:
    width = min(100, shutil.get_terminal_size().columns)
    return textwrap.fill(
        text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _next(error: pyesdb.PyesdbError) -> str:
    if str(error).endswith(_RECOVER):
        return "`pyesdb store recover` brings it back, `pyesdb store list` shows what there is"
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((NEXT[name] for name in names if name in NEXT), "")


class Failures:
    """What fails for one store while a command goes on with the others; `code` is the first's."""

    def __init__(self) -> None:
        self.code = exits.OK

    def add(self, error: pyesdb.PyesdbError) -> None:
        """Tell it."""
        code = report(error, as_json=current().json)
        self.code = self.code or code


def report_usage(error: click.ClickException, *, as_json: bool) -> int:
    """Tell a failure of the command line itself, mostly that it is wrong; returns the exit code."""
    if as_json:
        code = "usage" if error.exit_code == exits.USAGE else "failed"
        message = error.format_message()
        described = {"code": code, "message": message, "exit_code": error.exit_code}
        click.echo(json.dumps(described), err=True)
    else:
        shown = StringIO()
        error.show(shown)
        click.echo(
            "\n".join(map(people.visible, shown.getvalue().rstrip("\n").split("\n"))), err=True
        )
    return error.exit_code


def _one_line(text: str) -> str:
    return people.visible(" ".join(text.split()))


def _plain(value: object) -> Any:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, pyesdb.StreamState):
        return value.name.lower()
    return str(value) if isinstance(value, UUID) else repr(value)
