"""`pyesdb schema`: the JSON Schema of what a command prints under --json."""

import json

import click
import msgspec


def _names(context: click.Context, _: click.Parameter, word: str) -> list[str]:
    """The words that can follow: of "store list" first "store"."""
    from pyesdb.cli.answers import ANSWERS

    before: tuple[str, ...] = context.params.get("command") or ()
    paths = [tuple(name.split()) for name in ANSWERS]
    found = {path[len(before)] for path in paths if path[: len(before)] == before != path}
    return sorted(each for each in found if each.startswith(word))


@click.command()
@click.argument("command", nargs=-1, required=True, shell_complete=_names)
def schema(command: tuple[str, ...]) -> None:
    """Print the JSON Schema of what COMMAND prints with --json.

    It is that of one document; where there may be many, each line is one.

    \b
    pyesdb schema store list
    """  # noqa: D301
    from pyesdb.cli.answers import ANSWERS  # a tenth of a command's start otherwise

    name = " ".join(command)
    if name not in ANSWERS:
        raise click.UsageError(f"{name!r} has no schema; these have: {', '.join(ANSWERS)}")
    click.echo(json.dumps(msgspec.json.schema(ANSWERS[name]), indent=2, default=str))
