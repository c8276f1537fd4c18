"""`pyesdb store stats`: how much is in stores."""

from collections.abc import Sequence

import click

import pyesdb
from pyesdb.cli import show
from pyesdb.cli.completion import store_ids
from pyesdb.cli.failures import Failures
from pyesdb.cli.settings import current, database, database_options

FIELDS = ("events", "streams", "bytes", "position", "snapshots", "subscriptions")


@click.command()
@click.argument("store_ids", nargs=-1, metavar="[STORE_ID]...", shell_complete=store_ids)
@database_options
def stats(store_ids: Sequence[str]) -> int:
    """Print how much stores hold.

    Events, streams, bytes, snapshots, subscriptions. Without STORE_ID: all stores. Bytes are those
    of the events as encoded, which max_bytes limits.
    """
    failed, found = Failures(), dict[str, pyesdb.StoreStats]()
    with database(read_only=True) as db:
        for store_id in store_ids or db.list_stores():
            try:
                found[store_id] = db.store_stats(store_id)
            except pyesdb.PyesdbError as error:
                failed.add(error)
    if current().json:
        for store_id, figures in found.items():
            show.line({"store": store_id, **{name: getattr(figures, name) for name in FIELDS}})
        return failed.code
    show.table(
        ("store", *FIELDS),
        (
            (store_id, *(getattr(figures, name) for name in FIELDS))
            for store_id, figures in found.items()
        ),
    )
    return failed.code
