"""Clean-up policies: stores that nobody writes to, or that are old, are frozen or removed.

What must never happen here: a store removed that was written to meanwhile (so it is frozen first,
and looked at again), or the default store removed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import pyesdb
from pyesdb.model.durations import to_datetime, to_us
from pyesdb.node.actor import because
from pyesdb.store.queries import last_touched
from pyesdb.telemetry.clock import now_us


@dataclass(frozen=True, kw_only=True)
class CleanUp:
    """Which stores to remove or freeze: those for which everything given here is true.

    `idle_for`: no event was written for so long (since its creation, if it is empty).
    `older_than`: it was created so long ago. At least one of the two is needed. `prefix`, `tags`:
    as in list_stores. `keep`: ids that are left alone whatever they are.
    """

    action: Literal["remove", "freeze"]
    idle_for: timedelta | None = None
    older_than: timedelta | None = None
    prefix: str | None = None
    tags: tuple[str, ...] = ()
    keep: frozenset[str] = field(default_factory=frozenset[str])

    def __post_init__(self) -> None:
        if self.action not in ("remove", "freeze"):
            raise pyesdb.InvalidConfig(
                f'action must be "remove" or "freeze", not {self.action!r:.60}'
            )
        ages = [age for age in (self.idle_for, self.older_than) if age is not None]
        if not ages:
            raise pyesdb.InvalidConfig("a policy needs idle_for or older_than: say which stores")
        for age in ages:
            if not isinstance(age, timedelta) or age <= timedelta(0):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise pyesdb.InvalidConfig(f"an age must be a positive timedelta, not {age!r:.60}")

    def __str__(self) -> str:
        said = [
            f"{name} {value}"
            for name, value in (("idle for", self.idle_for), ("older than", self.older_than))
            if value is not None
        ]
        return f"policy: {self.action} what is {' and '.join(said)}"


@dataclass(frozen=True)
class Cleaned:
    """What a policy did with a store, or (`done` False) would do, or could not (`error`)."""

    store_id: str
    action: Literal["remove", "freeze"]
    created: datetime
    written: datetime
    """When its last event was written; `created` if it has none."""
    done: bool
    error: str = ""


def written_at(db: pyesdb.Database, info: pyesdb.StoreInfo) -> datetime:
    """When the last event of a store was written; its creation, if it never had one.

    If that event is not there any more, retention and scavenge may have been later: then it is
    when the last of its streams was cut, deleted or scavenged, which is not earlier.
    """
    store = db.store(info.store_id)
    head = store.stats().position
    last = store.read_all(backwards=True, limit=1, system=True).first()
    if last is not None and last.position == head:
        return last.created
    if not head:
        return info.created
    touched = store._handle.ask(last_touched)  # pyright: ignore[reportPrivateUsage]
    return to_datetime(touched)


def clean_up(
    db: pyesdb.Database,
    policy: CleanUp,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
) -> list[Cleaned]:
    """Apply a policy once; with `dry_run` only say what it would do.

    Removed stores are in the trash for their `trash_keep` and can be recovered; they were frozen
    first, so thaw_store() them then. Every action is in the audit, with the policy as `reason`.
    What fails for one store is said in its row, and the others go on. `now`: as if it were that
    moment (an aware datetime).
    """
    moment = to_datetime(now_us() if now is None else to_us(now, "now"))
    default = db.store().id
    rows: list[Cleaned] = []
    for info in db.list_stores(prefix=policy.prefix, tags=policy.tags or None).values():
        if info.store_id in policy.keep or (info.store_id == default and policy.action == "remove"):
            continue
        if policy.older_than is not None and moment - info.created < policy.older_than:
            continue
        if policy.action == "freeze" and info.status == pyesdb.StoreStatus.FROZEN:
            continue
        row = _examine(db, policy, info, moment, dry_run=dry_run)
        if row is not None:
            rows.append(row)
    return rows


def _examine(
    db: pyesdb.Database,
    policy: CleanUp,
    info: pyesdb.StoreInfo,
    moment: datetime,
    *,
    dry_run: bool,
) -> Cleaned | None:
    written = info.created
    try:
        if policy.idle_for is not None:
            written = written_at(db, info)
            if moment - written < policy.idle_for:
                return None
        done = not dry_run and _act(db, policy, info, written)
    except pyesdb.PyesdbError as error:
        failed = Cleaned(info.store_id, policy.action, info.created, written, done=False)
        return replace(failed, error=str(error))
    if not dry_run and not done:
        return None  # it was written to meanwhile
    return Cleaned(info.store_id, policy.action, info.created, written, done)


def _act(db: pyesdb.Database, policy: CleanUp, info: pyesdb.StoreInfo, written: datetime) -> bool:
    """Freeze, look again, then remove: nobody writes between the look and the removal."""
    store_id = info.store_id
    with because(str(policy)):
        db.freeze_store(store_id)  # of one that is frozen: it may have been thawed meanwhile
        try:
            if policy.idle_for is not None and written_at(db, info) != written:
                db.thaw_store(store_id)
                return False
            if policy.action == "remove":
                db.remove_store(store_id)
        except pyesdb.PyesdbError:
            if info.status != pyesdb.StoreStatus.FROZEN:
                db.thaw_store(store_id)
            raise
    return True


def idle_stores(
    db: pyesdb.Database,
    infos: Iterable[pyesdb.StoreInfo],
    idle_for: timedelta,
    on_error: Callable[[pyesdb.PyesdbError], object],
) -> list[tuple[pyesdb.StoreInfo, datetime]]:
    """Those of some stores that nobody wrote to for so long, each with its last write.

    What cannot be looked into is not among them; `on_error` hears why, and the others go on.
    """
    now = to_datetime(now_us())
    found: list[tuple[pyesdb.StoreInfo, datetime]] = []
    for info in infos:
        try:
            written = written_at(db, info)
        except pyesdb.PyesdbError as error:
            on_error(error)
            continue
        if now - written >= idle_for:
            found.append((info, written))
    return found
