"""`pyesdb store ...`: backup, restore, copy: stores into files and other stores."""

import time
from datetime import datetime
from typing import TYPE_CHECKING

import click

from pyesdb.cli import exits, show
from pyesdb.cli.completion import store_ids
from pyesdb.cli.progress import progress
from pyesdb.cli.selection import selection, selection_options
from pyesdb.cli.settings import database, database_options
from pyesdb.cli.words import DURATION, AsOf

if TYPE_CHECKING:
    from pyesdb.operations import BackedUp

KEEP = 7
_PATH = click.Path(dir_okay=False)


@click.command()
@click.argument("store_id", required=False, shell_complete=store_ids)
@click.argument("path", required=False, type=_PATH)
@click.option("--all", "everything", is_flag=True, help="Every store, into --dir.")
@click.option("--dir", "directory", type=click.Path(file_okay=False), help="For --all: where.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="For --all: the newest backups of each store that stay; else 7.",
)
@click.option("--every", type=DURATION, help="For --all: again and again, until Ctrl-C.")
@database_options
def backup(
    store_id: str | None,
    path: str | None,
    everything: bool,
    directory: str | None,
    keep: int | None,
    every: float | None,
) -> int:
    """Write a store as it is now into the new file PATH.

    Others may write to it meanwhile. With --all --dir DIRECTORY: every store, into
    DIRECTORY/<store>/, old backups deleted.
    """
    if everything:
        if store_id is not None or directory is None:
            raise click.UsageError("--all goes with --dir DIRECTORY and without STORE_ID and PATH")
        return _all(directory, keep or KEEP, every)
    if store_id is None or path is None or any(o is not None for o in (directory, keep, every)):
        raise click.UsageError("give STORE_ID and PATH, or --all --dir DIRECTORY with its options")
    with database(read_only=True) as db, progress(f"backing up {store_id}") as bar:
        made = db.backup_store(store_id, path, on_progress=bar.at)
    show.say(
        f"{made.store_id} up to position {made.position:,}: {made.bytes:,} bytes in {made.path}",
        store=made.store_id,
        path=made.path,
        incarnation=made.incarnation,
        position=made.position,
        bytes=made.bytes,
        sha256=made.sha256,
    )
    return exits.OK


def _all(directory: str, keep: int, every: float | None) -> int:
    from pyesdb.operations import back_up

    while True:
        with database(read_only=True) as db, progress("backing up") as bar:
            rows = back_up(db, directory, keep=keep, on_progress=bar.at)
        for row in rows:
            _print_row(row)
        if every is None:
            return exits.FAILED if any(row.error for row in rows) else exits.OK
        time.sleep(every)


def _print_row(row: "BackedUp") -> None:
    text = row.error or (f"{row.info.bytes:,} bytes in {row.info.path}" if row.info else "")
    show.say(
        f"{row.store_id}: {text}",
        store=row.store_id,
        path=None if row.info is None else row.info.path,
        position=None if row.info is None else row.info.position,
        deleted=list(row.deleted),
        error=row.error,
    )


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False))
@click.option("--as", "as_", metavar="ID", help="Under this id; else the one it was backed up as.")
@database_options
def restore(path: str, as_: str | None) -> None:
    """Make a store of a backup, verified first. Nothing is overwritten."""
    from pyesdb.operations.backups import check_backup

    check_backup(path, as_)
    with database(create=True) as db, progress("restoring") as bar:
        info = db.restore_backup(path, as_=as_, on_progress=bar.at).info()
        stats = db.store_stats(info.store_id)
    show.say(
        f"{info.store_id} is {info.status}: {stats.events:,} events up to position "
        f"{stats.position:,}",
        store=info.store_id,
        incarnation=info.incarnation,
        status=info.status,
        events=stats.events,
        position=stats.position,
    )


@click.command()
@click.argument("source", shell_complete=store_ids)
@click.argument("target")
@click.option("--as-of", type=AsOf(), metavar="WHEN", help="As it was at a position or a time.")
@selection_options
@database_options
def copy(source: str, target: str, as_of: int | datetime | None) -> None:
    """Make the new store TARGET of SOURCE, or of a part of it.

    A clone, its past (--as-of), or a selection. A part (--stream, --type...) has versions and
    positions of its own; ids and times stay.
    """
    chosen = selection()
    with database() as db:
        made = db.copy_store(source, target, select=chosen, as_of=as_of)
        stats = made.stats()
    show.say(
        f"{target} has {stats.events:,} events of {source}",
        store=target,
        source=source,
        events=stats.events,
        position=stats.position,
    )


COMMANDS = (backup, restore, copy)
"""What `pyesdb store` gets from here."""
