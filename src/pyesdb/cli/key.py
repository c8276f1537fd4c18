"""`pyesdb key new`, `pyesdb store rekey`: keys of encrypted stores. None of them is kept here."""

import click

from pyesdb import encryption
from pyesdb.cli import show
from pyesdb.cli.settings import database, database_options, store_argument


@click.group()
def key() -> None:
    """Keys of encrypted stores."""


@key.command()
def new() -> None:
    """Print a new random key: 64 hexadecimal digits, 256 bits."""
    click.echo(encryption.new_key())


@click.command()
@store_argument
@database_options
def rekey(store_id: str) -> None:
    """Encrypt a store anew, under the first key offered for it.

    Let the key file offer the new key in its first line and the old one in its second; a store that
    is not encrypted needs the new one only. Writers wait meanwhile.
    """
    with database() as db:
        done = encryption.rekey_store(db, store_id)
    text = "is under its new key" if done else "has this key already"
    show.say(f"{store_id} {text}", store=store_id, rekeyed=done)
