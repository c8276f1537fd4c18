"""`pyesdb audit`: what happened to the stores of a database."""

import json
import sys
from itertools import islice
from typing import Any

import click

from pyesdb.cli import show
from pyesdb.cli.settings import common_options, current, database

NUMBER = click.IntRange(min=0)


@click.command()
@click.option(
    "--after", type=click.IntRange(min=0), default=0, metavar="N", help="Only positions above N."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@common_options
def audit(after: int, limit: int | None) -> None:
    """Print who changed stores: when, what, from where.

    Created, changed, frozen, removed, recovered. With --store: what happened to that one.
    """
    settings = current()
    rows: list[tuple[Any, ...]] = []
    with database(read_only=True) as db:
        found = db.audit(after=after, store_id=settings.store)
        for event in islice(found, None if limit is None else min(limit, sys.maxsize)):
            if settings.json:
                show.event(event)
            else:
                actor = event.metadata.get("actor", {})
                who = f"{actor.get('user', '?')}@{actor.get('host', '?')}"
                said = json.dumps(event.json(), ensure_ascii=False)
                why = event.metadata.get("reason", "")
                rows.append(
                    (
                        event.position,
                        event.created,
                        who,
                        event.type,
                        event.stream.partition("-")[2],
                        why or said,
                    )
                )
    if not settings.json:
        show.table(("position", "when", "who", "what", "of", "with"), rows)
