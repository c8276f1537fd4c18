"""`pyesdb store ...`: create, remove, list, status, config, scavenge."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import click

import pyesdb
from pyesdb.cli import exits, people, show
from pyesdb.cli.completion import template_names
from pyesdb.cli.failures import Failures
from pyesdb.cli.progress import progress
from pyesdb.cli.settings import (
    current,
    database,
    database_options,
    given_settings,
    setting_options,
    store_argument,
)
from pyesdb.cli.words import DURATION
from pyesdb.model.names import check_store_id

STATUS = click.Choice([str(status) for status in pyesdb.StoreStatus])


@click.group()
@database_options
def store() -> None:
    """Create, remove and look at event stores."""


@store.command()
@store_argument
@click.option("--exist-ok", is_flag=True, help="No error if the store exists; it stays as it is.")
@click.option(
    "--template",
    metavar="NAME",
    help="What is not said here comes from this template.",
    shell_complete=template_names,
)
@setting_options
@database_options
def create(store_id: str, exist_ok: bool, template: str | None) -> None:
    """Create an event store; makes the database if there is none."""
    given = given_settings()
    check_store_id(store_id)
    with database(create=template is None) as db:
        made = db.create_store(store_id, exist_ok=exist_ok, template=template, **given)
        info = made.info()
    show.say(
        f"{info.store_id} is {info.status}",
        store=info.store_id,
        status=info.status,
        created=info.created,
    )


@store.command()
@store_argument
@click.option("--missing-ok", is_flag=True, help="No error if there is no such store.")
@click.option("--purge", is_flag=True, help="Erase the data now; of a removed one, in the trash.")
@click.option("--yes", is_flag=True, help="Do not ask before erasing.")
@database_options
def remove(store_id: str, missing_ok: bool, purge: bool, yes: bool) -> None:
    """Remove an event store; its data goes to the trash, or is erased."""
    if purge:
        show.confirm(f"Erase store {store_id} for ever?", yes=yes)
    with database() as db:
        db.remove_store(store_id, missing_ok=missing_ok, purge=purge)
    show.say(
        f"{store_id} is {'erased' if purge else 'in the trash'}",
        store=store_id,
        removed=True,
        purged=purge,
    )


@store.command("list")
@click.option("--prefix", help="Only ids that start with this.")
@click.option("--tag", "tags", multiple=True, help="Only stores with this tag (repeatable: all).")
@click.option("--status", type=STATUS, help="Only with this status.")
@click.option("--idle-for", type=DURATION, help="Only those that nobody wrote to for so long.")
@click.option("--system", is_flag=True, help="With the built-in store $system.")
@database_options
def list_stores(
    prefix: str | None,
    tags: Sequence[str],
    status: str | None,
    idle_for: float | None,
    system: bool,
) -> int:
    """List the event stores."""
    with database(read_only=True) as db:
        found = list(db.list_stores(prefix=prefix, tags=tags or None, system=system).values())
        if status is not None:
            found = [info for info in found if info.status == status]
        if idle_for is not None:
            from pyesdb.operations.cleanup import idle_stores

            failed = Failures()
            _print_idle(idle_stores(db, found, timedelta(seconds=idle_for), failed.add))
            return failed.code
    if current().json:
        for info in found:
            show.line({"store": info.store_id, "status": info.status, "created": info.created})
        return exits.OK
    show.table(
        ("store", "status", "created"),
        ((info.store_id, info.status, info.created) for info in found),
    )
    return exits.OK


def _print_idle(rows: Sequence[tuple[pyesdb.StoreInfo, datetime]]) -> None:
    if current().json:
        for info, written in rows:
            document = {"store": info.store_id, "status": info.status, "created": info.created}
            show.line(document | {"written": written})
        return
    show.table(
        ("store", "status", "created", "last written"),
        ((info.store_id, info.status, info.created, at) for info, at in rows),
    )


@store.command()
@store_argument
@database_options
def status(store_id: str) -> None:
    """Print the status of a store, one word like running or frozen."""
    with database(read_only=True) as db:
        answer = db.get_store_status(store_id)
    show.say(str(answer), store=store_id, status=answer)


@store.command()
@store_argument
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
        ((k, people.setting(k, v), found.origin(k)) for k, v in effective.items()),
    )
    click.echo(people.visible(f"data_dir: {found.data_dir}"))


@store.command()
@store_argument
@database_options
def scavenge(store_id: str) -> None:
    """Reclaim the space of hidden events, while others go on."""
    with database() as db, progress(f"scavenging {store_id}") as bar:
        done = db.store(store_id).scavenge(on_progress=bar.at)
    show.say(
        f"{store_id}: {done.events:,} events removed, {done.bytes:,} bytes given back",
        store=store_id,
        events=done.events,
        bytes=done.bytes,
    )
