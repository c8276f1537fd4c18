"""The command `pyesdb`: its groups, and the one place where failures become exit codes."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

import pyesdb
from pyesdb.cli import copies, exits, failures, life
from pyesdb.cli.append import append
from pyesdb.cli.audit import audit
from pyesdb.cli.bench import bench
from pyesdb.cli.completion import completion
from pyesdb.cli.config import config
from pyesdb.cli.demo.command import demo
from pyesdb.cli.doctor import doctor
from pyesdb.cli.key import key, rekey
from pyesdb.cli.read import read, streams
from pyesdb.cli.schema import schema
from pyesdb.cli.settings import common_options
from pyesdb.cli.snapshot import snapshot
from pyesdb.cli.stats import stats
from pyesdb.cli.store import store
from pyesdb.cli.stream import stream
from pyesdb.cli.sub import sub
from pyesdb.cli.tail import tail
from pyesdb.cli.template import template
from pyesdb.cli.transfer import export, import_
from pyesdb.cli.verify import verify

_ALSO = {"subscription": "sub", "follow": "tail"}
"""What people type who know the Python interface: no spelling error, so nothing suggests itself."""


class Door(click.Group):
    """A click group whose errors end in the exit codes of `exits.TABLE`."""

    def main(  # pyright: ignore[reportIncompatibleMethodOverride]  (click has overloads here)
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,
    ) -> Any:
        """Run one command line and exit."""
        _stand_in()
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        sys.exit(self._exit_code(words, prog_name, extra))

    def _exit_code(self, words: list[str], prog_name: str | None, extra: dict[str, Any]) -> int:
        as_json = "--json" in words
        try:
            code = super().main(words, prog_name, **extra)
        except pyesdb.PyesdbError as error:
            return failures.report(error, as_json=as_json)
        except click.ClickException as error:
            return failures.report_usage(error, as_json=as_json)
        except OSError as error:
            _flush_or_silence()
            return failures.report_system(error, as_json=as_json)
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            return exits.INTERRUPTED
        return code if isinstance(code, int) else exits.OK

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or of a word that is as good and not listed."""
        return super().get_command(ctx, _ALSO.get(cmd_name, cmd_name))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that goes away ends it quietly (click would answer 1)."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _silence_stdout()
            return exits.CLOSED_PIPE
        return code


def _flush_or_silence() -> None:
    """What was printed before an error of the system is an answer, if it can be written."""
    try:
        sys.stdout.flush()
    except OSError:
        _silence_stdout()


def _stand_in() -> None:
    """Nothing in place of what the caller has closed: else the next file that is opened is it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # of names that its encoding lacks


def _silence_stdout() -> None:
    """Let the interpreter's last flush go nowhere: what it would write cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_help() -> str:
    lines = (f"{row.code:>3}  {row.meaning}" for row in exits.TABLE)
    return "\b\nExit codes:\n" + "\n".join(lines)


@click.group(cls=Door, epilog=_exit_help(), context_settings={"max_content_width": 100})
@click.version_option(pyesdb.__version__, prog_name="pyesdb", message="%(prog)s %(version)s")
@common_options
def main() -> None:
    """Event stores, many in one place.

    Start with `pyesdb demo`. Without --data, PYESDB_DATA_DIR says which directory is meant.
    """


for _command in (*life.COMMANDS, *copies.COMMANDS, stats, template, verify, rekey):
    store.add_command(_command)
for _command in (
    demo, store, append, read, tail, streams, stream, sub, snapshot, export, import_, audit, config,
    doctor, bench, key, schema, completion,
):  # fmt: skip
    main.add_command(_command)
