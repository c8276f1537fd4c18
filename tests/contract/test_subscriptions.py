"""API "Following and consuming": persistent subscriptions as such, on every target."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import pyesdb
from pyesdb import select
from tests.contract.tools import named, new_events, positions

SELECT = select.event_type("A") | select.tags("x")


def test_a_subscription_is_what_was_saved(store: Any) -> None:
    store.append("s", new_events(5))
    saved = store.save_subscription(
        "billing", SELECT, after=2, max_retries=3, ack_timeout=timedelta(seconds=5), window=7
    )
    assert saved == pyesdb.SubscriptionInfo(
        name="billing",
        select=SELECT,
        settings={
            "max_retries": 3,
            "ack_timeout": 5.0,
            "window": 7,
            "order": "stream",
            "on_poison": "park_stream",
        },
        position=2,
        lag=3,
        in_flight=0,
        parked=0,
        consumers=0,
        oldest_unacked=None,
    )
    assert store.subscription_info("billing") == saved
    assert store.subscriptions() == [saved]
    assert store.stats().subscriptions == 1


def test_without_settings_the_defaults_hold(own_store: Any) -> None:
    assert own_store.save_subscription("s", select.everything).settings == {
        "max_retries": 10,
        "ack_timeout": 30.0,
        "window": 512,
        "order": "stream",
        "on_poison": "park_stream",
    }
    free = own_store.save_subscription("free", select.everything, order="none")
    assert free.settings["on_poison"] == "park_event"


def test_saving_the_same_again_is_nothing_and_anything_else_is_refused(store: Any) -> None:
    saved = store.save_subscription("sub", SELECT, window=5)
    store.append("s", new_events(3))
    swapped = select.tags("x") | select.event_type("A")
    assert store.save_subscription("sub", swapped, window=5, after="end").position == 0
    for other in ((select.everything, {"window": 5}), (SELECT, {}), (SELECT, {"window": 6})):
        with pytest.raises(pyesdb.SubscriptionAlreadyExists, match="exist_ok"):
            store.save_subscription("sub", other[0], **other[1])
        found = store.save_subscription("sub", other[0], exist_ok=True, **other[1])
        assert (found.select, found.settings) == (saved.select, saved.settings)


def test_it_starts_at_the_end_of_that_moment(own_store: Any) -> None:
    own_store.append("s", new_events(4))
    assert own_store.save_subscription("sub", select.everything, after="end").position == 4
    own_store.append("s", new_events(2))
    with own_store.consume("sub") as consumer:
        assert [consumer.get(0).position for _ in range(2)] == [5, 6]
        assert consumer.get(0) is None


def test_settings_change_and_the_rest_stays(store: Any) -> None:
    store.save_subscription("sub", SELECT, after=0, window=5)
    changed = store.update_subscription("sub", max_retries=0, ack_timeout=1.5)
    assert changed.settings == {
        "max_retries": 0,
        "ack_timeout": 1.5,
        "window": 5,
        "order": "stream",
        "on_poison": "park_stream",
    }
    assert store.update_subscription("sub") == changed
    with pytest.raises(pyesdb.SubscriptionNotFound):
        store.update_subscription("other", window=5)


def test_removed_it_is_gone_and_can_be_made_anew(store: Any) -> None:
    store.append("s", new_events(3))
    store.save_subscription("sub", select.everything, after=2)
    store.remove_subscription("sub")
    assert store.subscriptions() == []
    for call in (store.subscription_info, store.remove_subscription, store.consume):
        with pytest.raises(pyesdb.SubscriptionNotFound, match="sub"):
            call("sub")
    store.remove_subscription("sub", missing_ok=True)
    assert store.save_subscription("sub", select.everything).position == 0


def test_they_are_listed_by_name_and_stay_across_a_restart(open_db: Any, data_dir: Any) -> None:
    names = ["b", "a", "Zürich 1"]
    with open_db(data_dir) as db:
        for name in names:
            db.store().save_subscription(name, SELECT)
    with open_db(data_dir) as db:
        assert [info.name for info in db.store().subscriptions()] == sorted(names)


def test_it_starts_again_where_it_is_told(store: Any) -> None:
    store.append("s", new_events(5))
    store.save_subscription("sub", select.everything, order="none")
    with store.consume("sub", window=2) as consumer:
        consumer.nack(consumer.get(0), "park")
        consumer.ack(consumer.get(0))
        consumer.flush()
        assert store.subscription_info("sub").parked == 1
        assert store.reset_subscription("sub", after=3).parked == 0
        assert consumer.get(0).position == 4
        found = store.reset_subscription("sub", after="end")
        assert (found.position, found.lag, found.in_flight) == (5, 0, 0)
        assert consumer.get(0) is None
    with pytest.raises(pyesdb.SubscriptionNotFound):
        store.reset_subscription("other", after=0)


BAD_SETTINGS: list[dict[str, Any]] = [
    {"max_retries": -1},
    {"max_retries": True},
    {"max_retries": 1.5},
    {"max_retries": 1001},
    {"ack_timeout": 0},
    {"ack_timeout": -1},
    {"ack_timeout": 100_000},
    {"ack_timeout": "30"},
    {"ack_timeout": float("nan")},
    {"window": 0},
    {"window": 10_001},
    {"window": None},
    {"order": "total"},
    {"on_poison": "skip"},
    {"order": "none", "on_poison": "park_stream"},
    {"max_retry": 3},
    {"nonsense": 3},
]


@pytest.mark.parametrize("settings", BAD_SETTINGS, ids=named)
def test_bad_settings_are_refused(kept_own: Any, settings: dict[str, Any]) -> None:
    kept_own.save_subscription("kept", select.everything, exist_ok=True)
    before = kept_own.subscriptions()
    with pytest.raises(pyesdb.InvalidConfig):
        kept_own.save_subscription("new", select.everything, **settings)
    with pytest.raises(pyesdb.InvalidConfig):
        kept_own.update_subscription("kept", **settings)
    assert kept_own.subscriptions() == before


def test_a_misspelt_setting_is_told_the_right_one(kept_own: Any) -> None:
    with pytest.raises(pyesdb.InvalidConfig, match="max_retries"):
        kept_own.save_subscription("new", select.everything, max_retry=3)


BAD_CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception]]] = [
    ("save_subscription", ("", select.everything), {}, pyesdb.RequestError),
    ("save_subscription", (7, select.everything), {}, pyesdb.RequestError),
    ("save_subscription", ("a\nb", select.everything), {}, pyesdb.RequestError),
    ("save_subscription", ("x" * 513, select.everything), {}, pyesdb.RequestError),
    ("save_subscription", ("s", "everything"), {}, pyesdb.InvalidSelector),
    ("save_subscription", ("s", None), {}, pyesdb.InvalidSelector),
    ("save_subscription", ("s", select.everything), {"after": -1}, pyesdb.RequestError),
    ("save_subscription", ("s", select.everything), {"after": "start"}, pyesdb.RequestError),
    ("save_subscription", ("s", select.everything), {"after": True}, pyesdb.RequestError),
    ("save_subscription", ("s", select.everything), {"exist_ok": 1}, pyesdb.RequestError),
    ("reset_subscription", ("kept",), {"after": None}, pyesdb.RequestError),
    ("consume", ("kept",), {"window": 0}, pyesdb.InvalidConfig),
    ("consume", (b"kept",), {}, pyesdb.RequestError),
    ("subscription_info", (None,), {}, pyesdb.RequestError),
    ("parked", ("kept",), {"after": -1}, pyesdb.RequestError),
    ("parked", ("kept",), {"limit": "all"}, pyesdb.RequestError),
    ("replay_parked", ("kept", 5), {}, pyesdb.RequestError),
    ("replay_parked", ("kept", "12"), {}, pyesdb.RequestError),
    ("discard_parked", ("kept", [1, None]), {}, pyesdb.RequestError),
    ("discard_parked", ("none", [1]), {}, pyesdb.SubscriptionNotFound),
    ("replay_parked", ("none", []), {}, pyesdb.SubscriptionNotFound),
]


@pytest.mark.parametrize("case", BAD_CALLS, ids=named)
def test_bad_calls_are_refused_and_change_nothing(kept_own: Any, case: Any) -> None:
    name, args, fields, error = case
    kept_own.save_subscription("kept", select.everything, exist_ok=True)
    before = kept_own.subscriptions()
    with pytest.raises(error):
        getattr(kept_own, name)(*args, **fields)
    assert kept_own.subscriptions() == before


def test_a_frozen_store_keeps_its_subscriptions_as_they_are(db: Any) -> None:
    store = db.create_store("cold")
    store.append("s", new_events(2))
    saved = store.save_subscription("sub", select.everything)
    db.freeze_store("cold")
    for change in (
        lambda: store.save_subscription("new", select.everything),
        lambda: store.update_subscription("sub", window=3),
        lambda: store.reset_subscription("sub", after=0),
        lambda: store.remove_subscription("sub"),
        lambda: store.replay_parked("sub"),
    ):
        with pytest.raises(pyesdb.StoreFrozen):
            change()
    assert store.subscriptions() == [saved]


def test_what_is_owed_outlives_a_scavenge(own_store: Any) -> None:
    own_store.append("s", new_events(6))
    own_store.append("t", new_events(1))
    own_store.save_subscription("sub", select.everything)
    with own_store.consume("sub", window=3) as consumer:
        held = [consumer.get(0) for _ in range(2)]
        consumer.ack(held[0])
        consumer.flush()
        own_store.delete_stream("s")
        assert own_store.scavenge().events == 1  # the one that is done
    with own_store.consume("sub") as consumer:
        seen = [consumer.get(0) for _ in range(6)]
        assert positions(seen) == [2, 3, 4, 5, 6, 7]
        consumer.ack(seen)
    assert own_store.scavenge().events == 5
    assert own_store.verify().ok


def test_events_of_the_system_are_not_delivered(db: Any) -> None:
    store = db.store()
    store.append(None, new_events(1))
    store.save_subscription("sub", select.everything)
    with store.consume("sub") as consumer:
        assert consumer.get(0).stream == "$events"
        assert consumer.get(0) is None


def test_a_copy_and_a_backup_have_the_subscriptions(db: Any, tmp_path: Any) -> None:
    store = db.create_store("one")
    store.append("s", new_events(4))
    store.save_subscription("sub", select.everything)
    with store.consume("sub", window=1) as consumer:
        consumer.nack(consumer.get(0), "park", reason="bad")
    db.backup_store("one", tmp_path / "backup")
    for other in (db.copy_store("one", "two"), db.restore_backup(tmp_path / "backup", as_="three")):
        assert other.subscription_info("sub").parked == 1
        assert other.replay_parked("sub") == 1
        with other.consume("sub") as consumer:
            assert [consumer.get(0).position for _ in range(4)] == [1, 2, 3, 4]
        assert other.verify().ok


def test_a_read_only_handle_shows_them_and_consumes_nothing(open_db: Any, data_dir: Any) -> None:
    with open_db(data_dir) as db:
        db.store().save_subscription("sub", select.everything)
    with open_db(data_dir, read_only=True) as db:
        assert [info.name for info in db.store().subscriptions()] == ["sub"]
        with pytest.raises(pyesdb.AccessDenied):
            db.store().consume("sub")
