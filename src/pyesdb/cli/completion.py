"""`pyesdb completion`: what makes the shell complete commands, options and names of stores.

What must never happen here: a file made or changed, or anything printed because a name was asked
for. The shell asks on every TAB.
"""

from collections.abc import Callable, Sequence

import click
from click.shell_completion import CompletionItem, get_completion_class

import pyesdb

SHELLS = ("bash", "zsh", "fish")
MANY = 200
"""So many names of streams are offered; who types on gets those that start with that."""


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
    """The ids of the stores that start with a word."""
    return _looked(context, lambda db, _: list(db.list_stores(prefix=word)))


def removed_ids(context: click.Context, _: click.Parameter, word: str) -> list[CompletionItem]:
    """The ids in the trash that start with a word."""
    found = _looked(context, lambda db, _: sorted({row.store_id for row in db.trash()}))
    return [item for item in found if item.value.startswith(word)]


def template_names(context: click.Context, _: click.Parameter, word: str) -> list[CompletionItem]:
    """The names of templates that start with a word."""
    found = _looked(context, lambda db, _: list(db.templates()))
    return [item for item in found if item.value.startswith(word)]


def stream_names(context: click.Context, _: click.Parameter, word: str) -> list[CompletionItem]:
    """The names of streams that start with a word, of the store that --store names."""

    def look(db: pyesdb.Database, store_id: str | None) -> list[str]:
        return list(db.store(store_id).streams(prefix=word, limit=MANY))

    return _looked(context, look)


def subscription_names(
    context: click.Context, _: click.Parameter, word: str
) -> list[CompletionItem]:
    """The names of subscriptions that start with a word, of the store that --store names."""

    def look(db: pyesdb.Database, store_id: str | None) -> list[str]:
        return [each.name for each in db.store(store_id).subscriptions()]

    return [item for item in _looked(context, look) if item.value.startswith(word)]


def one_of(words: Sequence[str]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """A completer for one of a few words."""

    def complete(_: click.Context, __: click.Parameter, word: str) -> list[str]:
        return [each for each in words if each.startswith(word)]

    return complete


def directories(_: click.Context, __: click.Parameter, word: str) -> list[CompletionItem]:
    """Let the shell complete directories."""
    return [CompletionItem(word, type="dir")]


def files(_: click.Context, __: click.Parameter, word: str) -> list[CompletionItem]:
    """Let the shell complete files."""
    return [CompletionItem(word, type="file")]


def _looked(
    context: click.Context, look: Callable[[pyesdb.Database, str | None], list[str]]
) -> list[CompletionItem]:
    """What a database says, as far as it can be read: a shell that completes shows no errors."""
    said = context.obj  # Settings, or None when the line has none of the common options
    config = getattr(said, "config", None)
    try:
        with pyesdb.open(
            getattr(said, "data", None), create=False, read_only=True, config=config
        ) as db:
            return [CompletionItem(name) for name in look(db, getattr(said, "store", None))]
    except (pyesdb.PyesdbError, OSError):
        return []
