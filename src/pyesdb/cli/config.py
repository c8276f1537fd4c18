"""`pyesdb config`: which settings count here, where each comes from, and a sample file."""

import os
from typing import Any

import click

import pyesdb
from pyesdb.cli import people
from pyesdb.cli import show as shown
from pyesdb.cli.settings import common_options, current, database
from pyesdb.config.load import load, unknown_variables
from pyesdb.config.sample import sample
from pyesdb.config.settings import EVERY


@click.group()
def config() -> None:
    """Show the settings, and where each comes from."""


@config.command()
@common_options
def show() -> None:
    """Print every setting with its value and origin.

    Without --store: what stores that are created get, from the file, PYESDB_* variables or by
    default; variables that mean nothing are named. With --store: what that store has.
    """
    settings = current()
    if settings.store is not None:
        with database(read_only=True) as db:
            found = db.get_store_config(settings.store)
        names = pyesdb.StoreSettings.__annotations__
        rows = {name: (getattr(found, name), found.origin(name)) for name in names}
        head = {"store": settings.store, "data_dir": found.data_dir}
    else:
        loaded = load(settings.config, os.environ)
        rows = {name: tuple(loaded.effective(name)) for name in EVERY}
        head = {
            "encryption": loaded.encryption is not None,
            "unknown_variables": unknown_variables(os.environ),
        }
    _print(head, rows)


def _print(head: dict[str, Any], rows: dict[str, tuple[Any, ...]]) -> None:
    if current().json:
        described = {name: {"value": value, "origin": at} for name, (value, at) in rows.items()}
        shown.line({**head, "settings": described})
        return
    shown.table(
        ("setting", "value", "origin"),
        ((name, people.setting(name, value), at) for name, (value, at) in rows.items()),
    )
    unknown: dict[str, str] = head.get("unknown_variables", {})
    for name, near in unknown.items():
        hint = f": did you mean {near}?" if near else ""
        click.echo(f"{name} means nothing to pyesdb{hint}", err=True)


@config.command()
def example() -> None:
    """Print a sample file with every setting.

    \b
    pyesdb config example > pyesdb.toml
    """  # noqa: D301
    click.echo(sample(), nl=False)
