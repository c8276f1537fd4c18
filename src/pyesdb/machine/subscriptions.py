"""Persistent subscriptions: what is selected, by which rules, and how far it was handed out.

A subscription is named by its number since it was made, which is never given again, and by its
epoch, which each reset raises: what was claimed before a reset, or from another subscription of the
same name, settles nothing. What they owe is in `machine.deliveries`.
"""

from typing import Annotated, Any, Literal

import msgspec

from pyesdb.machine.refusals import refuse
from pyesdb.machine.transaction import Tx
from pyesdb.model import commands as c
from pyesdb.model import limits
from pyesdb.model.outcomes import Done, Refused
from pyesdb.model.selectors import Clause

DUE, IN_FLIGHT, PARKED, WAITING = 0, 1, 2, 3

_Retries = Annotated[int, msgspec.Meta(ge=0, le=limits.SUBSCRIPTION_RETRIES_MAX)]
_Timeout = Annotated[int, msgspec.Meta(ge=limits.ACK_TIMEOUT_MIN_US, le=limits.ACK_TIMEOUT_MAX_US)]
_Window = Annotated[int, msgspec.Meta(ge=1, le=limits.SUBSCRIPTION_WINDOW_MAX)]


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a subscription; times in us. `on_poison` "": as the order says."""

    max_retries: _Retries = 10
    ack_timeout: _Timeout = 30_000_000
    window: _Window = 512
    order: Literal["stream", "none"] = "stream"
    on_poison: Literal["", "park_stream", "park_event"] = ""

    @property
    def in_order(self) -> bool:
        """Whether events of a stream wait for each other."""
        return self.order == "stream"

    @property
    def parks_streams(self) -> bool:
        """Whether what follows a parked event in its stream waits behind it."""
        return self.order == "stream" and self.on_poison != "park_event"


class Kept(Rules, frozen=True):
    """The rules as stored, with the number of resets."""

    epoch: int = 0

    @property
    def rules(self) -> Rules:
        """What a user set."""
        fields = {name: getattr(self, name) for name in Rules.__struct_fields__}
        return Rules(**fields)


_clauses = msgspec.msgpack.Decoder(tuple[Clause, ...])
_kept = msgspec.msgpack.Decoder(Kept)
_encode = msgspec.msgpack.Encoder().encode


class Subscription:
    """A subscription's row."""

    def __init__(self, tx: Tx, row: tuple[Any, ...]) -> None:
        self.tx = tx
        self.id: int = row[0]
        self.clauses: bytes = row[1]
        self.kept = decode_rules(row[2])
        self.cursor: int = row[3]

    def keep(self, kept: Kept) -> None:
        """Write other rules, or another epoch."""
        self.kept = kept
        self.tx.run("set_subscription", _encode(kept), self.id)

    def set_head(self, stream: int) -> None:
        """Of what is queued in a stream the first may go, unless it is behind a parked event.

        This holds after every command: of DUE and WAITING events of a stream the first is DUE, the
        others wait, and all wait behind a parked one.
        """
        due, parked, waiting = self.tx.all("stream_queue", self.id, stream)[0]
        if due is None and waiting is None:
            return
        first = waiting if due is None or (waiting is not None and waiting < due) else due
        barred = self.kept.parks_streams and parked is not None and parked < first
        if due is not None and (barred or due != first):
            self.tx.run("set_delivery_state", WAITING, self.id, due)
        if not barred and waiting == first:
            self.tx.run("set_delivery_state", DUE, self.id, first)


def decode_clauses(encoded: bytes) -> tuple[Clause, ...]:
    """What a subscription selects; raises msgspec.MsgspecError."""
    return _clauses.decode(encoded)


def decode_rules(encoded: bytes) -> Kept:
    """The rules of a subscription; raises msgspec.MsgspecError."""
    return _kept.decode(encoded)


def named(tx: Tx, name: str) -> Subscription | Refused:
    """The subscription of a name."""
    rows = tx.all("subscription", name)
    if rows:
        return Subscription(tx, rows[0])
    return refuse("subscription_not_found", f"there is no subscription {name!r}")


def numbered(tx: Tx, number: int) -> Subscription | Refused:
    """The subscription of a number."""
    rows = tx.all("subscription_at", number)
    if rows:
        return Subscription(tx, rows[0])
    return refuse("subscription_removed", "the subscription was removed")


def _checked(settings: dict[str, Any]) -> Rules | Refused:
    try:
        rules = msgspec.convert(settings, Rules)
    except msgspec.ValidationError as error:
        return refuse("invalid_config", f"settings of a subscription: {error}")
    if rules.order == "none" and rules.on_poison == "park_stream":
        return refuse(
            "invalid_config",
            'on_poison="park_stream" needs order="stream": without an order nothing can wait',
        )
    return rules


def save(tx: Tx, command: c.SaveSubscription) -> Done | Refused:
    """Create a subscription; the same again changes nothing."""
    rules = _checked(command.settings)
    if isinstance(rules, Refused):
        return rules
    found = named(tx, command.name)
    if isinstance(found, Subscription):
        same = set(decode_clauses(found.clauses)) == set(command.clauses)
        if command.exist_ok or (same and found.kept.rules == rules):
            return Done(found.id)
        return refuse(
            "subscription_already_exists",
            f"subscription {command.name!r} exists with another selector or other settings: "
            "exist_ok=True takes it as it is, update_subscription() changes its settings",
        )
    number = max(tx.meta.get("last_subscription", 0), tx.all("last_subscription")[0][0]) + 1
    after = tx.state.position if command.after == c.AT_END else command.after
    row = number, command.name, _encode(command.clauses), _encode(Kept(**_fields(rules)))
    tx.run("index_deliveries")  # a file of before they were needed has none of them
    tx.set_meta("last_subscription", number)
    tx.run("add_subscription", *row, after, tx.now)
    return Done(number)


def _fields(rules: Rules) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in Rules.__struct_fields__}


def update(tx: Tx, command: c.UpdateSubscription) -> Done | Refused:
    """Change settings; they hold at once, for what is in flight, too."""
    found = named(tx, command.name)
    if isinstance(found, Refused):
        return found
    before = found.kept
    rules = _checked(_fields(before.rules) | command.changes)
    if isinstance(rules, Refused):
        return rules
    if rules == before.rules:
        return Done(found.id)
    found.keep(Kept(**_fields(rules), epoch=before.epoch))
    if rules.ack_timeout != before.ack_timeout:
        tx.run("shift_leases", rules.ack_timeout - before.ack_timeout, found.id)
    if before.in_order and not rules.in_order:
        tx.run("requeue_all", DUE, found.id, WAITING)
    elif (rules.order, rules.on_poison) != (before.order, before.on_poison):
        if not before.in_order:
            tx.run("requeue_all", WAITING, found.id, DUE)
        for (stream,) in tx.all("queued_streams", found.id) if rules.in_order else ():
            found.set_head(stream)
    return Done(found.id)


def remove(tx: Tx, command: c.RemoveSubscription) -> Done | Refused:
    """Forget a subscription."""
    found = named(tx, command.name)
    if isinstance(found, Refused):
        return found
    tx.run("drop_deliveries", found.id)
    tx.run("drop_subscription", found.id)
    return Done(found.id)


def reset(tx: Tx, command: c.ResetSubscription) -> Done | Refused:
    """Start again behind a position."""
    found = named(tx, command.name)
    if isinstance(found, Refused):
        return found
    after = tx.state.position if command.after == c.AT_END else command.after
    tx.run("drop_deliveries", found.id)
    tx.run("set_cursor", after, found.id)
    found.keep(msgspec.structs.replace(found.kept, epoch=found.kept.epoch + 1))
    return Done(found.id)
