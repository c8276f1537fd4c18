"""`pyesdb doctor`: what is wrong with a database and what it stands on."""

import click

from pyesdb.cli import exits, people, show
from pyesdb.cli.progress import progress
from pyesdb.cli.settings import current, database_options


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=str), metavar="[DIR]")
@database_options
def doctor(directory: str | None) -> int:
    """Look at a database and what it stands on, and say what to do.

    Environment, disk, permissions, catalog against disk, stores. It only reads. Without DIR:
    --data, else PYESDB_DATA_DIR. The exit code is 1 if there is a problem. `pyesdb store verify`
    looks inside the stores.
    """
    from pyesdb.operations import doctor as examine

    if directory is not None and current().data is not None:
        raise click.UsageError("give DIR or --data, not both")
    with progress("looking") as bar:
        found = examine(directory or current().data, config=current().config, on_progress=bar.at)
    for finding in found.findings:
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
    return exits.OK if found.ok else exits.FAILED
