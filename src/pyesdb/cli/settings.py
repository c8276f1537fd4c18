"""The options that every command has (--data, --store, --config, --json), and one per setting.

They may stand before or after the name of the command; the last one counts.
"""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

import pyesdb
from pyesdb.cli.completion import directories, files, one_of, store_ids
from pyesdb.config import text
from pyesdb.config.settings import TABLE, Setting, checked

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Settings:
    """What the common options of this command line say."""

    data: str | None = None
    store: str | None = None
    config: str | None = None
    json: bool = False


def current() -> Settings:
    """The settings of the command that runs now."""
    return click.get_current_context().ensure_object(Settings)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value == "":  # an unset variable of a script: never the default in its place
        raise click.BadParameter("it is empty: give a value, or leave it out", context, parameter)
    if value and parameter.name:
        setattr(context.ensure_object(Settings), parameter.name, value)


def _option(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, callback=_keep, expose_value=False, **attributes)


data_option = _option(
    "--data",
    metavar="DIRECTORY",
    help="The database; else PYESDB_DATA_DIR.",
    shell_complete=directories,
)
demo_data_option = _option(
    "--data",
    metavar="DIRECTORY",
    help="Keep the stores in this directory.",
    shell_complete=directories,
)
bench_data_option = _option(
    "--data",
    metavar="DIRECTORY",
    help="On the disk to measure; else PYESDB_DATA_DIR, else the current directory.",
    shell_complete=directories,
)
store_option = _option(
    "--store", metavar="ID", help="The event store; else the default.", shell_complete=store_ids
)
config_option = _option(
    "--config",
    metavar="FILE",
    help="Settings (TOML); else PYESDB_CONFIG.",
    shell_complete=files,
)
json_option = _option("--json", is_flag=True, help="Print JSON, errors too.")


store_argument = click.argument("store_id", shell_complete=store_ids)


def common_options(command: F) -> F:
    """Add --data, --store, --config and --json."""
    return data_option(store_option(config_option(json_option(command))))


def database_options(command: F) -> F:
    """Add --data, --config and --json, for commands that work on the database as a whole."""
    return data_option(config_option(json_option(command)))


@contextmanager
def database(*, create: bool = False, read_only: bool = False) -> Generator[pyesdb.Database]:
    """The database of this command line. Only commands that write give `create=True`."""
    settings = current()
    with pyesdb.open(
        settings.data, create=create, read_only=read_only, config=settings.config
    ) as db:
        yield db


# -- the settings of a store

_GIVEN = "pyesdb.given_settings"
_METAVAR: dict[text.Kind, str] = {
    "duration": "DURATION", "int": "NUMBER", "list": "A,B", "text": "TEXT",
}  # fmt: skip


def setting_options(command: F) -> F:
    """Add an option for every setting of a store, and --set; `given_settings` has what was given.

    Nothing is handed to the command as a parameter.
    """
    command = click.option(
        "--set",
        "pairs",
        multiple=True,
        expose_value=False,
        callback=_keep_pairs,
        metavar="KEY=VALUE",
        help="Any setting by its name; null takes it back to the layer below.",
    )(command)
    for setting in reversed(TABLE):
        command = _setting_option(setting)(command)
    return command


def given_settings(*, clearing: bool = False) -> Any:
    """The settings that this command line gives, for create_store(**...) and its like.

    Raises InvalidConfig, before a database is opened or made for them.
    """
    given: dict[str, Any] = dict(click.get_current_context().meta.get(_GIVEN, {}))
    checked(given, clearing=clearing)
    return given


def _setting_option(setting: Setting) -> Callable[[F], F]:
    words = text.choices(setting.name)
    return click.option(
        flag(setting.name),
        setting.name,
        expose_value=False,
        callback=_keep_setting,
        metavar="|".join(words) or _METAVAR[text.KINDS[setting.name]],
        shell_complete=one_of(words),
        help=f"{setting.about[0].upper()}{setting.about[1:]}.",
    )


def flag(name: str) -> str:
    """The option of a setting."""
    return f"--{name.replace('_', '-')}"


def _keep_setting(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None and parameter.name:
        _note(context, parameter.name, _parsed(parameter.name, value))


def _keep_pairs(context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]) -> None:
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", context, parameter)
        _note(context, key, None if value == "null" else _parsed(key, value))


def _note(context: click.Context, name: str, value: Any) -> None:
    given: dict[str, Any] = context.meta.setdefault(_GIVEN, {})
    if name in given:
        raise click.UsageError(f"{name} is given twice: say it once", context)
    given[name] = value


def _parsed(name: str, value: str) -> Any:
    """A setting from its text; what has no such name is refused by the call that gets it."""
    if name not in text.KINDS:
        return value
    if text.KINDS[name] == "text" and value.startswith('"'):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return text.parse(name, value)
