"""`pyesdb sub ...`: persistent subscriptions: make, look at, change, remove, and what is parked."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import click

import pyesdb
from pyesdb import select
from pyesdb.cli import people, show
from pyesdb.cli.completion import one_of, subscription_names
from pyesdb.cli.selection import selection, selection_options
from pyesdb.cli.settings import common_options, current, database
from pyesdb.cli.words import DURATION, Start

F = TypeVar("F", bound=Callable[..., Any])
_ORDERS, _POISON = ("stream", "none"), ("park_stream", "park_event")
_WATCH_S = 1.0

name_argument = click.argument("name", shell_complete=subscription_names)
positions_argument = click.argument(
    "positions", nargs=-1, type=click.IntRange(min=1), metavar="[POSITION]..."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def _subscription_options(*, preset: bool) -> Callable[[F], F]:
    """The settings of a subscription; what is not given is not handed on.

    `preset`: the help says what counts then; a test holds it against what a subscription gets.
    """

    def said(text: str, default: str) -> str:
        return f"{text} [default: {default}]" if preset else text

    options = (
        click.option(
            "--max-retries",
            type=int,
            metavar="N",
            help=said("Deliveries after the first.", "10"),
        ),
        click.option(
            "--ack-timeout",
            type=DURATION,
            help=said("Redeliver what is not acknowledged after this.", "30s"),
        ),
        click.option(
            "--window", type=int, metavar="N", help=said("Events in flight at most.", "512")
        ),
        click.option(
            "--order",
            metavar="|".join(_ORDERS),
            shell_complete=one_of(_ORDERS),
            help=said("Whether events of a stream wait for each other.", "stream"),
        ),
        click.option(
            "--on-poison",
            metavar="|".join(_POISON),
            shell_complete=one_of(_POISON),
            help=said(
                "What happens to an event that was tried often enough.",
                "park_stream; park_event with --order none",
            ),
        ),
    )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _given(settings: dict[str, Any]) -> Any:
    return {name: value for name, value in settings.items() if value is not None}


@click.group()
def sub() -> None:
    """Persistent subscriptions: create, watch, replay what failed.

    The store keeps how far each one has come.
    """


@sub.command()
@name_argument
@selection_options
@click.option(
    "--after",
    type=Start(),
    default=0,
    metavar="N|end",
    help="Only positions above N; end: only what comes.",
)
@click.option("--exist-ok", is_flag=True, help="No error if it exists; it stays unchanged.")
@_subscription_options(preset=True)
@common_options
def create(name: str, after: int | Literal["end"], exist_ok: bool, **settings: Any) -> None:
    """Make the subscription NAME.

    Of everything, or of what the options choose.
    """
    chosen = selection() or select.everything
    with database() as db:
        found = db.store(current().store).save_subscription(
            name, chosen, after=after, exist_ok=exist_ok, **_given(settings)
        )
    _say(found)


@sub.command()
@name_argument
@_subscription_options(preset=False)
@common_options
def update(name: str, **settings: Any) -> None:
    """Change settings of a subscription; they hold at once."""
    given = _given(settings)
    if not given:
        raise click.UsageError("give at least one setting, like --window 100")
    with database() as db:
        _say(db.store(current().store).update_subscription(name, **given))


@sub.command("list")
@common_options
def list_subscriptions() -> None:
    """List the subscriptions of a store."""
    with database(read_only=True) as db:
        _print(db.store(current().store).subscriptions())


@sub.command()
@name_argument
@common_options
def status(name: str) -> None:
    """Print a subscription's settings and how far it has come."""
    with database(read_only=True) as db:
        found = db.store(current().store).subscription_info(name)
    document = _document(found)
    if current().json:
        show.line(document)
    else:
        settings = document.pop("settings")
        show.table(("field", "value"), [*document.items(), *settings.items()])


@sub.command()
@name_argument
@click.option("--every", type=DURATION, default=_WATCH_S, help="How often to look. [default: 1s]")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Look N times, then end.")
@common_options
def watch(name: str, every: float, limit: int | None) -> None:
    """Print a line whenever a subscription has changed, until Ctrl-C."""
    with database(read_only=True) as db:
        store, before = db.store(current().store), None
        try:
            for number in _turns(limit):
                if number:
                    time.sleep(every)
                found = store.subscription_info(name)
                if found != before:
                    _watched(found, before)
                before = found
        except KeyboardInterrupt:
            return  # how it is meant to end


def _turns(limit: int | None) -> Iterator[int]:
    number = 0
    while limit is None or number < limit:
        yield number
        number += 1


def _watched(found: pyesdb.SubscriptionInfo, before: pyesdb.SubscriptionInfo | None) -> None:
    if current().json:
        show.line(_document(found))
        return
    moved = "" if before is None else f" ({found.position - before.position:+,})"
    oldest = "" if found.oldest_unacked is None else f", oldest {people.when(found.oldest_unacked)}"
    click.echo(
        f"position {found.position:,}{moved}, lag {found.lag:,}, in flight {found.in_flight:,} "
        f"with {found.consumers} consumers{oldest}, parked {found.parked:,}"
    )


@sub.command()
@name_argument
@click.option(
    "--after",
    type=Start(),
    required=True,
    metavar="N|end",
    help="Only positions above N; end: only what comes.",
)
@yes_option
@common_options
def reset(name: str, after: int | Literal["end"], yes: bool) -> None:
    """Deliver again from just after a position.

    It drops what is in flight or parked.
    """
    show.confirm(
        f"Deliver {name} again from just after {after}? What is parked is dropped.", yes=yes
    )
    with database() as db:
        _say(db.store(current().store).reset_subscription(name, after=after))


@sub.command()
@name_argument
@yes_option
@common_options
def remove(name: str, yes: bool) -> None:
    """Forget a subscription, and what is in flight or parked.

    Its consumers end.
    """
    show.confirm(f"Remove subscription {name}?", yes=yes)
    with database() as db:
        db.store(current().store).remove_subscription(name)
    show.say(f"{name} is removed", subscription=name, removed=True)


@sub.command()
@name_argument
@click.option(
    "--after", type=click.IntRange(min=0), default=0, metavar="N", help="Only positions above N."
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most so many.")
@common_options
def parked(name: str, after: int, limit: int | None) -> None:
    """Print the events that a subscription has given up, and why."""
    with database(read_only=True) as db:
        found = db.store(current().store).parked(name, after=after, limit=limit)
        if current().json:
            for each in found:
                show.line(_parked_document(each))
            return
        show.table(
            ("position", "stream", "type", "attempts", "parked", "reason"),
            (
                (
                    each.event.position,
                    f"{each.event.stream}@{each.event.version}",
                    each.event.type,
                    each.attempts,
                    each.parked,
                    each.reason,
                )
                for each in found
            ),
        )


@sub.command()
@name_argument
@positions_argument
@click.option("--all", "everything", is_flag=True, help="All that is parked.")
@common_options
def replay(name: str, positions: Sequence[int], everything: bool) -> None:
    """Let parked events be tried again, in order, from attempt 1."""
    chosen = _chosen(positions, everything)
    with database() as db:
        count = db.store(current().store).replay_parked(name, chosen)
    show.say(f"{count} of {name} are tried again", subscription=name, events=count)


@sub.command()
@name_argument
@positions_argument
@click.option("--all", "everything", is_flag=True, help="All that is parked.")
@yes_option
@common_options
def discard(name: str, positions: Sequence[int], everything: bool, yes: bool) -> None:
    """Never deliver parked events; what waits for them goes on.

    The events stay in the store.
    """
    chosen = _chosen(positions, everything)
    show.confirm(f"Never deliver what {name} has parked?", yes=yes)
    with database() as db:
        count = db.store(current().store).discard_parked(name, chosen)
    show.say(f"{count} of {name} are discarded", subscription=name, events=count)


def _chosen(positions: Sequence[int], everything: bool) -> list[int] | None:
    if everything == bool(positions):
        raise click.UsageError("give the POSITIONs, or --all")
    return None if everything else list(positions)


def _document(found: pyesdb.SubscriptionInfo) -> dict[str, Any]:
    return {
        "subscription": found.name,
        "position": found.position,
        "lag": found.lag,
        "in_flight": found.in_flight,
        "parked": found.parked,
        "consumers": found.consumers,
        "oldest_unacked": found.oldest_unacked,
        "settings": dict(found.settings),
    }


def _parked_document(each: pyesdb.ParkedEvent) -> dict[str, Any]:
    return {
        "position": each.event.position,
        "stream": each.event.stream,
        "version": each.event.version,
        "type": each.event.type,
        "attempts": each.attempts,
        "reason": each.reason,
        "parked": each.parked,
    }


def _say(found: pyesdb.SubscriptionInfo) -> None:
    text = f"{found.name} is at {found.position}, {found.lag} behind"
    show.say(text, **_document(found))


def _print(found: Sequence[pyesdb.SubscriptionInfo]) -> None:
    if current().json:
        for each in found:
            show.line(_document(each))
        return
    show.table(
        ("subscription", "position", "lag", "in flight", "parked", "consumers"),
        ((s.name, s.position, s.lag, s.in_flight, s.parked, s.consumers) for s in found),
    )
