"""`pyesdb doctor`: what is wrong with a database and what it stands on."""

from typing import TYPE_CHECKING

import click

from pyesdb.cli import exits, people, show
from pyesdb.cli.progress import progress
from pyesdb.cli.settings import current, database_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyesdb.operations import Finding


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=str), metavar="[DIR]")
@click.option(
    "--rebuild-catalog",
    "rebuild",
    is_flag=True,
    help="Instead: make a catalog that is lost or damaged anew, of the stores that are there.",
)
@database_options
def doctor(directory: str | None, *, rebuild: bool) -> int:
    """Look at a database and what it stands on, and say what to do.

    Environment, disk, permissions, catalog against disk, stores. It only reads. Without DIR:
    --data, else PYESDB_DATA_DIR. The exit code is 1 if there is a problem. `pyesdb store verify`
    looks inside the stores.
    """
    from pyesdb.operations import doctor as examine

    if directory is not None and current().data is not None:
        raise click.UsageError("give DIR or --data, not both")
    if rebuild:
        return _show(_rebuild(directory or current().data))
    with progress("looking") as bar:
        found = examine(directory or current().data, config=current().config, on_progress=bar.at)
    return _show(found.findings)


def _show(findings: "Sequence[Finding]") -> int:
    for finding in findings:
        if current().json:
            show.line(
                {
                    "area": finding.area,
                    "level": finding.level,
                    "what": finding.what,
                    "advice": finding.advice,
                }
            )
        else:
            click.echo(f"{people.coloured(finding.level, 8)} {finding.area:<12} {finding.what}")
            if finding.advice:
                click.echo(people.visible(f"{'':<22}{finding.advice}"))
    return exits.FAILED if any(f.level == "problem" for f in findings) else exits.OK


def _rebuild(directory: str | None) -> "list[Finding]":
    """A good catalog is never replaced, and a damaged one is kept."""
    from pyesdb.operations import Finding, rebuild_catalog

    made = rebuild_catalog(directory, config=current().config)
    what = (
        f"a new one with {len(made.stores):,} stores, {len(made.trash):,} in the trash, "
        f"{len(made.templates):,} templates"
    )
    findings = [Finding("catalog", "ok", what)]
    if made.kept:
        advice = "delete it when nothing is missed"
        findings.append(Finding("catalog", "hint", f"the damaged one is in {made.kept}", advice))
    for where, why in made.left:
        advice = (
            "it is no store now: mend it, then rebuild again before the database is opened "
            "(a store that is made under its id moves it to trash/)"
        )
        findings.append(Finding("catalog", "problem", f"{where}: {why}", advice))
    return findings
