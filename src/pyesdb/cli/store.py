"""`pyesdb store ...`: create, remove, list, status, config."""

import json
from collections.abc import Sequence

import click

import pyesdb
from pyesdb.cli import show
from pyesdb.cli.settings import (
    current,
    database,
    database_options,
    given_settings,
    setting_options,
)


@click.group()
@database_options
def store() -> None:
    """Create, remove and look at event stores."""


@store.command()
@click.argument("store_id")
@click.option("--exist-ok", is_flag=True, help="No error if the store exists; it stays as it is.")
@setting_options
@database_options
def create(store_id: str, exist_ok: bool) -> None:
    """Create an event store; makes the database if there is none."""
    with database(create=True) as db:
        made = db.create_store(store_id, exist_ok=exist_ok, **given_settings())
        info = made.info()
    if current().json:
        show.line({"store": info.store_id, "status": info.status, "created": info.created})
    else:
        click.echo(f"{info.store_id} is {info.status}")


@store.command()
@click.argument("store_id")
@click.option("--missing-ok", is_flag=True, help="No error if there is no such store.")
@click.option("--purge", is_flag=True, help="Erase the data now instead of moving it to the trash.")
@database_options
def remove(store_id: str, missing_ok: bool, purge: bool) -> None:
    """Remove an event store; its data goes to the trash, or is erased."""
    with database() as db:
        db.remove_store(store_id, missing_ok=missing_ok, purge=purge)
    if current().json:
        show.line({"store": store_id, "removed": True, "purged": purge})
    else:
        click.echo(f"{store_id} is {'erased' if purge else 'in the trash'}")


@store.command("list")
@click.option("--prefix", help="Only ids that start with this.")
@click.option("--tag", "tags", multiple=True, help="Only stores with this tag (repeatable: all).")
@click.option("--system", is_flag=True, help="With the built-in store $system.")
@database_options
def list_stores(prefix: str | None, tags: Sequence[str], system: bool) -> None:
    """List the event stores."""
    with database(read_only=True) as db:
        found = db.list_stores(prefix=prefix, tags=tags or None, system=system).values()
    if current().json:
        for info in found:
            show.line({"store": info.store_id, "status": info.status, "created": info.created})
        return
    show.table(
        ("store", "status", "created"),
        ((i.store_id, i.status, f"{i.created:%Y-%m-%d %H:%M:%S}") for i in found),
    )


@store.command()
@click.argument("store_id")
@database_options
def status(store_id: str) -> None:
    """Print the status of a store: running, frozen, failed..."""
    with database(read_only=True) as db:
        answer = db.get_store_status(store_id)
    if current().json:
        show.line({"store": store_id, "status": answer})
    else:
        click.echo(str(answer))


@store.command()
@click.argument("store_id")
@database_options
def config(store_id: str) -> None:
    """Print the effective settings of a store, each with its origin."""
    with database(read_only=True) as db:
        found = db.get_store_config(store_id)
    effective = {key: getattr(found, key) for key in pyesdb.StoreSettings.__annotations__}
    if current().json:
        rows = {k: {"value": v, "origin": found.origin(k)} for k, v in effective.items()}
        show.line({"store": store_id, "data_dir": found.data_dir, "settings": rows})
        return
    show.table(
        ("setting", "value", "origin"),
        ((key, json.dumps(value), found.origin(key)) for key, value in effective.items()),
    )
    click.echo(f"data_dir: {found.data_dir}")
