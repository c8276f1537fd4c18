"""`pyesdb store verify`: whether store files still say what was written, and what to do if not."""

from collections.abc import Callable, Sequence

import click

import pyesdb
from pyesdb.cli import exits, people, show
from pyesdb.cli.completion import store_ids
from pyesdb.cli.failures import Failures
from pyesdb.cli.progress import progress
from pyesdb.cli.settings import current, database, database_options


@click.command()
@click.argument("store_ids", nargs=-1, metavar="STORE_ID...", shell_complete=store_ids)
@click.option("--all", "everything", is_flag=True, help="Every store, and the catalog ($system).")
@database_options
def verify(store_ids: Sequence[str], everything: bool) -> int:
    """Check stores against what was written to them.

    Pages, history, counters, indexes. It only reads, while others go on writing. The exit code is 1
    if anything is wrong.
    """
    if everything == bool(store_ids):
        raise click.UsageError("give store ids, or --all")
    whole, failed = True, Failures()
    with database(read_only=True) as db:
        for store_id in store_ids or db.list_stores(system=True):
            try:
                with progress(f"verifying {store_id}") as bar:
                    found = _verify(db, store_id, bar.at)
            except pyesdb.PyesdbError as error:
                failed.add(error)
                continue
            _show(store_id, found)
            whole = whole and found.ok
    return failed.code or (exits.OK if whole else exits.FAILED)


def _verify(
    db: pyesdb.Database, store_id: str, on_progress: Callable[[int, int], None]
) -> pyesdb.VerifyResult:
    if store_id != "$system":
        return db.store(store_id).verify(on_progress=on_progress)
    from pyesdb.operations import verify_catalog

    return verify_catalog(db, on_progress=on_progress)


def _show(store_id: str, found: pyesdb.VerifyResult) -> None:
    problems = [
        {"where": problem.where, "what": problem.what, "advice": problem.advice}
        for problem in found.problems
    ]
    if current().json:
        show.line(
            {
                "store": store_id,
                "ok": found.ok,
                "events": found.events,
                "streams": found.streams,
                "entries": found.entries,
                "problems": problems,
            }
        )
        return
    verdict = people.coloured("ok") if found.ok else f"{len(problems):,} problems"
    click.echo(
        f"{store_id}: {verdict} ({found.events:,} events, {found.streams:,} streams, "
        f"{found.entries:,} entries)"
    )
    advice = ""
    for problem in found.problems:
        click.echo(people.visible(f"  {problem.where}: {problem.what}"))
    for problem in found.problems:
        if problem.advice != advice:
            advice = problem.advice
            click.echo(people.visible(f"  what to do: {advice}"))
