"""`pyesdb completion`: what makes the shell complete commands, options and names of stores."""

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem, get_completion_class

import pyesdb

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes `pyesdb` in a SHELL.

    \b
    bash  eval "$(pyesdb completion bash)"      in ~/.bashrc
    zsh   eval "$(pyesdb completion zsh)"       in ~/.zshrc
    fish  pyesdb completion fish | source       in ~/.config/fish/config.fish
    """  # noqa: D301
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"{shell} cannot be completed")
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "pyesdb", "_PYESDB_COMPLETE").source())


def store_ids(context: click.Context, _: click.Parameter, word: str) -> list[CompletionItem]:
    """The ids of the stores that start with a word; silent when there is no database."""

    def look(db: pyesdb.Database) -> list[str]:
        return list(db.list_stores(prefix=word))

    return [CompletionItem(name) for name in _looked(context, look)]


def stream_names(context: click.Context, _: click.Parameter, word: str) -> list[CompletionItem]:
    """The names of streams that start with a word."""
    store_id = context.find_root().params.get("store")

    def look(db: pyesdb.Database) -> list[str]:
        return list(db.store(store_id).streams(prefix=word, limit=50))

    return [CompletionItem(name) for name in _looked(context, look)]


def _looked(context: click.Context, look: Callable[[pyesdb.Database], list[str]]) -> list[str]:
    data = context.params.get("data") or context.find_root().params.get("data")
    try:
        with pyesdb.open(data, create=False, read_only=True) as db:
            return look(db)
    except pyesdb.PyesdbError:
        return []
