"""`pyesdb schema`: the JSON Schema of what a command prints under --json."""

import json

import click
import msgspec


@click.command()
@click.argument("command", nargs=-1, required=True)
def schema(command: tuple[str, ...]) -> None:
    """Print the JSON Schema of what COMMAND prints under --json (one document, or one a line).

    \b
    pyesdb schema store list
    """  # noqa: D301
    from pyesdb.cli.answers import ANSWERS  # a tenth of a command's start otherwise

    name = " ".join(command)
    if name not in ANSWERS:
        raise click.UsageError(f"{name!r} has no schema; these have: {', '.join(ANSWERS)}")
    click.echo(json.dumps(msgspec.json.schema(ANSWERS[name]), indent=2, default=str))
