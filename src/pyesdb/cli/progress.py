"""How far a long call has come: a bar on stderr when a person watches, else silence."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import click

from pyesdb.cli.settings import current

_WIDTH = 32


class _Line:
    """The bar without rich: one line that is written over, each per cent once."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = -1

    def at(self, done: int, total: int) -> None:
        percent = min(100, 100 * done // total) if total else 0
        if percent != self._shown:
            self._shown = percent
            full = "#" * (_WIDTH * percent // 100)
            click.echo(f"\r{self._what} [{full:<{_WIDTH}}] {percent:>3} %", err=True, nl=False)

    def end(self) -> None:
        if self._shown >= 0:
            click.echo(f"\r{'':<{len(self._what) + _WIDTH + 9}}\r", err=True, nl=False)


class _Rich:
    """The bar of rich."""

    def __init__(self, what: str, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=None)
        bar.start()

    def at(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total or None)

    def end(self) -> None:
        self._bar.stop()


class _Silence:
    def at(self, done: int, total: int) -> None:
        pass

    def end(self) -> None:
        pass


Shown = _Line | _Rich | _Silence


def _shown(what: str) -> Shown:
    if current().json or not sys.stderr.isatty():
        return _Silence()
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        return _Line(what)
    return _Rich(what, Progress(console=Console(stderr=True), transient=True))


@contextmanager
def progress(what: str) -> Generator[Shown]:
    """A bar; `at(done, total)` is what `on_progress=` takes. Total 0: it is not known."""
    bar = _shown(what)
    try:
        yield bar
    finally:
        bar.end()
