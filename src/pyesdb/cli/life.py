"""`pyesdb store ...`: recover, trash, update, freeze, thaw, clean: what happens to stores later."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import click

from pyesdb.cli import exits, people, show
from pyesdb.cli.completion import removed_ids
from pyesdb.cli.settings import (
    current,
    database,
    database_options,
    given_settings,
    setting_options,
    store_argument,
)
from pyesdb.cli.words import DURATION

if TYPE_CHECKING:
    from pyesdb.operations import Cleaned


@click.command()
@click.argument("store_id", shell_complete=removed_ids)
@click.option("--as", "as_", metavar="ID", help="Under this id, when the old one is in use.")
@database_options
def recover(store_id: str, as_: str | None) -> None:
    """Take a removed store out of the trash, as it was."""
    with database() as db:
        info = db.recover_store(store_id, as_=as_).info()
    show.say(
        f"{info.store_id} is {info.status}",
        store=info.store_id,
        incarnation=info.incarnation,
        status=info.status,
    )


@click.command()
@database_options
def trash() -> None:
    """List what can be recovered, and until when."""
    with database(read_only=True) as db:
        found = db.trash()
    if current().json:
        for row in found:
            show.line(
                {
                    "store": row.store_id,
                    "incarnation": row.incarnation,
                    "removed": row.removed,
                    "expires": row.expires,
                    "bytes": row.bytes,
                }
            )
        return
    show.table(
        ("store", "removed", "expires", "bytes"),
        ((r.store_id, r.removed, r.expires, r.bytes) for r in found),
    )


@click.command()
@store_argument
@setting_options
@database_options
def update(store_id: str) -> None:
    """Change settings of a store. --set KEY=null takes one back to the layer below."""
    given = given_settings(clearing=True)
    if not given:
        raise click.UsageError("give at least one setting, like --timeout 30")
    with database() as db:
        found = db.update_store(store_id, **given)
    rows = {key: {"value": getattr(found, key), "origin": found.origin(key)} for key in given}
    text = ", ".join(
        f"{k}={people.setting(k, row['value'])} ({row['origin']})" for k, row in rows.items()
    )
    show.say(f"{store_id}: {text}", store=store_id, settings=rows)


@click.command()
@store_argument
@database_options
def freeze(store_id: str) -> None:
    """Let a store answer reads only."""
    with database() as db:
        db.freeze_store(store_id)
    show.say(f"{store_id} is frozen", store=store_id, status="frozen")


@click.command()
@store_argument
@database_options
def thaw(store_id: str) -> None:
    """Let a frozen store take writes again."""
    with database() as db:
        db.thaw_store(store_id)
    show.say(f"{store_id} is running", store=store_id, status="running")


@click.command()
@click.option("--idle-for", type=DURATION, help="Stores that nobody wrote to for so long.")
@click.option("--older-than", type=DURATION, help="Stores made so long ago.")
@click.option("--prefix", help="Only ids that start with this.")
@click.option("--tag", "tags", multiple=True, help="Only stores with this tag (repeatable: all).")
@click.option("--keep", multiple=True, metavar="ID", help="Leave this one alone (repeatable).")
@click.option(
    "--action",
    type=click.Choice(["freeze", "remove"]),
    required=True,
    help="What happens to them; removed ones can be recovered from the trash.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--every", type=DURATION, help="Again and again, until Ctrl-C.")
@database_options
def clean(
    idle_for: float | None,
    older_than: float | None,
    prefix: str | None,
    tags: Sequence[str],
    keep: Sequence[str],
    action: Literal["freeze", "remove"],
    dry_run: bool,
    every: float | None,
) -> int:
    """Freeze or remove stores that are idle or old.

    All that is given must hold. Every action is in `pyesdb audit`, with the policy as its reason.
    """
    from pyesdb.operations import CleanUp, clean_up

    if prefix == "":  # an unset variable of a script: it would mean every store
        raise click.UsageError("--prefix is empty: give a text, or leave it out")
    policy = CleanUp(
        action=action,
        idle_for=None if idle_for is None else timedelta(seconds=idle_for),
        older_than=None if older_than is None else timedelta(seconds=older_than),
        prefix=prefix,
        tags=tuple(tags),
        keep=frozenset(keep),
    )
    while True:
        with database(read_only=dry_run) as db:
            rows = clean_up(db, policy, dry_run=dry_run)
        _print_cleaned(rows)
        if every is None:
            return exits.FAILED if any(row.error for row in rows) else exits.OK
        time.sleep(every)


def _print_cleaned(rows: Sequence["Cleaned"]) -> None:
    if current().json:
        for row in rows:
            document: dict[str, Any] = {
                "store": row.store_id,
                "action": row.action,
                "done": row.done,
                "created": row.created,
                "written": row.written,
                "error": row.error,
            }
            show.line(document)
        return
    show.table(
        ("store", "last written", "action", "done"),
        ((row.store_id, row.written, row.action, _outcome(row)) for row in rows),
    )


def _outcome(row: "Cleaned") -> str:
    return row.error or ("yes" if row.done else "no (dry run)")


COMMANDS = (recover, trash, update, freeze, thaw, clean)
"""What `pyesdb store` gets from here."""
