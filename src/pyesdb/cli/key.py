"""`pyesdb key`: keys of encrypted stores. Nothing here reads or keeps one."""

import click

from pyesdb.encryption import new_key


@click.group()
def key() -> None:
    """Keys of encrypted stores."""


@key.command()
def new() -> None:
    """Print a new random key: 64 hexadecimal digits, 256 bits."""
    click.echo(new_key())
