"""How the demo talks: a step, its figure, the call that did it; or a JSON line for each step."""

from dataclasses import dataclass, field
from typing import Any, Self

import click

from pyesdb.cli import show


@dataclass
class Step:
    """The outcome of one step. `wrong` says what did not match; empty: everything did."""

    title: str
    figure: str
    call: str
    lines: list[str] = field(default_factory=list[str])
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    wrong: str = ""


class Reporter:
    """Prints to a terminal with colours (rich), to anything else without, or as JSON Lines."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = None if as_json else show.terminal()

    def say(self, text: str, style: str = "dim") -> None:
        """A line of prose; nothing under --json."""
        if self._json:
            return
        if self._console is None:
            click.echo(text)
        else:
            self._console.print(text, style=style, markup=False, soft_wrap=True)

    def step(self, number: int, step: Step) -> None:
        """Show a finished step."""
        if self._json:
            verdict = {"ok": not step.wrong, "wrong": step.wrong}
            show.line({"step": number, "title": step.title, **verdict, **step.data})
            return
        self.say(f"\n{number:>2}  {step.title}", "bold cyan")
        self.say(f"    {step.figure}", "bold")
        for text in step.lines:
            self.say(f"    {text}", "none")
        self.say(f"    {step.call}", "green")
        if step.wrong:
            self.say(f"    MISMATCH: {step.wrong}", "bold red")

    def progress(self, total: int) -> "Progress":
        """A bar for the load; nothing where nobody looks."""
        return Progress(self._console, total)


class Progress:
    """A progress bar when there is a rich terminal, else silence; a context manager."""

    def __init__(self, console: Any, total: int) -> None:
        self._bar: Any = None
        if console is not None:
            from rich.progress import Progress as Bar

            self._bar = Bar(console=console, transient=True)
            self._task = self._bar.add_task("loading", total=total)

    def at(self, done: int) -> None:
        """So many events are stored."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
