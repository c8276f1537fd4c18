"""The command line: `pyesdb`, or `python -m pyesdb.cli`.

A door: every command decodes its arguments, makes a call of the public surface (`import pyesdb`),
and prints the answer. No rule of the event store may live here.
"""

from pyesdb.cli.app import main

__all__ = ["main"]
