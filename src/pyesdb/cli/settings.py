"""The options that every command has: --data, --store, --json.

They may stand before or after the name of the command; the last one counts.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

import pyesdb

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Settings:
    """What the common options of this command line say."""

    data: str | None = None
    store: str | None = None
    json: bool = False


def current() -> Settings:
    """The settings of the command that runs now."""
    return click.get_current_context().ensure_object(Settings)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and parameter.name:
        setattr(context.ensure_object(Settings), parameter.name, value)


def _option(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, callback=_keep, expose_value=False, **attributes)


data_option = _option("--data", metavar="DIRECTORY", help="The database; else PYESDB_DATA_DIR.")
demo_data_option = _option("--data", metavar="DIRECTORY", help="Keep the stores in this directory.")
store_option = _option("--store", metavar="ID", help="The event store; else the default.")
json_option = _option("--json", is_flag=True, help="Print JSON, errors too.")


def common_options(command: F) -> F:
    """Add --data, --store and --json."""
    return data_option(store_option(json_option(command)))


def database_options(command: F) -> F:
    """Add --data and --json, for commands that work on the database as a whole."""
    return data_option(json_option(command))


@contextmanager
def database(*, create: bool = False, read_only: bool = False) -> Generator[pyesdb.Database]:
    """The database of this command line. Only commands that write give `create=True`."""
    with pyesdb.open(current().data, create=create, read_only=read_only) as db:
        yield db
