"""Applications of the library: their settings, stores and lives."""

from __future__ import annotations

import gc
import os
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.dcb.application import DCBApplication
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from eventsourcing.projection import EventSourcedProjectionRunner, ProjectionRunner
from eventsourcing.system import (
    MultiThreadedRunner,
    Runner,
    SingleThreadedRunner,
    System,
)
from eventsourcing.tests import projection
from eventsourcing.utils import Environment, get_topic

import pyesdb
from pyesdb.eventsourcing import Factory, PyesdbTrackingRecorder
from pyesdb.eventsourcing.datastore import store_id_of
from tests.contract.tools import output_of
from tests.eventsourcing.models import (
    MODULE,
    Account,
    Accounts,
    EventCounters,
    Mine,
    Mirror,
    Source,
    Zero,
)


@pytest.fixture
def env(data_dir: Path) -> dict[str, str]:
    return {"PERSISTENCE_MODULE": MODULE, "PYESDB_DATA_DIR": str(data_dir)}


def store_of(application: Any) -> str:
    return application.recorder.store.id


# -- aggregates, snapshots


def test_an_application_after_a_restart(env: dict[str, str]) -> None:
    with Accounts(env) as app:
        account = Account("Ada")
        for n in range(1, 12):
            account.credit(Decimal(n))
        app.save(account)
        assert store_of(app) == "accounts"
    with Accounts(env) as app:
        found: Account = app.repository.get(account.id)
        assert (found.owner, found.balance, found.version) == ("Ada", Decimal(66), 12)
        assert app.snapshots is not None
        assert [s.originator_version for s in app.snapshots.get(account.id)] == [5, 10]
        assert app.repository.get(account.id, version=7).balance == Decimal(21)
        assert app.recorder.max_notification_id() == 12
        found.credit(Decimal(1))
        app.save(found)
        stale: Account = app.repository.get(account.id, version=12)
        stale.credit(Decimal(1))
        with pytest.raises(IntegrityError):
            app.save(stale)


def test_aggregates_that_count_from_zero(env: dict[str, str]) -> None:
    with Application[UUID](env) as app:
        aggregate = Zero()
        app.save(aggregate)
    with Application[UUID](env) as app:
        for _ in range(3):
            found: Zero = app.repository.get(aggregate.id)
            found.done()
            app.save(found)
        assert app.repository.get(aggregate.id).version == 3


def test_compressed_and_encrypted_states(env: dict[str, str]) -> None:
    from eventsourcing.cipher import AESCipher

    secret = {"COMPRESSOR_TOPIC": "zlib", "CIPHER_KEY": AESCipher.create_key(16)}
    with Accounts({**env, **secret}) as app:
        account = Account("Ada Lovelace")
        app.save(account)
        (stored,) = app.recorder.store.read_all()
        assert b"Lovelace" not in stored.data
        assert stored.content_type == "application/octet-stream"
        assert app.repository.get(account.id).owner == "Ada Lovelace"


def test_recordings_are_a_piece_of_the_log(env: dict[str, str]) -> None:
    """Also when a policy saved events of two aggregates in turns: runners rely on the order."""
    with Accounts(env) as app:
        one, two = Account("1"), Account("2")
        processing: ProcessingEvent[UUID] = ProcessingEvent()
        processing.collect_events(one)
        processing.collect_events(two)
        one.credit(Decimal(1))
        processing.collect_events(one)
        recordings = app._record(processing)
        log = app.recorder.select_notifications(1, 9)
        assert [r.notification for r in recordings] == list(log)
        assert [r.domain_event.originator_id for r in recordings] == [one.id, one.id, two.id]


# -- settings


def test_each_application_has_its_own_store(env: dict[str, str], data_dir: Path) -> None:
    class Orders(Application[UUID]):
        pass

    with Accounts(env) as one, Orders(env) as two:
        one.save(Account("Ada"))
        assert (one.recorder.max_notification_id(), two.recorder.max_notification_id()) == (1, None)
    with pyesdb.open(data_dir) as db:
        assert set(db.list_stores()) == {"default", "accounts", "orders"}
        assert db.get_store_config("orders").tags == ("eventsourcing:Orders",)


@pytest.mark.parametrize(
    ("name", "store_id"),
    [
        ("BankAccounts", "bank-accounts"),
        ("HTTPServer2", "http-server2"),
        ("eventcounters", "eventcounters"),
        ("a.b/c d", "a-b-c-d"),
        ("Über", "ber"),
        ("注文", "app"),
        ("2ndApp", "app-2nd-app"),
        ("Con", "con-app"),
        ("Com1", "com1-app"),
        ("__x__", "x"),
        ("A" * 100, "a" * 63),
    ],
)
def test_the_store_s_id_is_made_of_the_application_s_name(
    name: str, store_id: str, env: dict[str, str]
) -> None:
    assert store_id_of(name) == store_id
    factory = Factory(Environment(name, env))
    assert factory.datastore.store.id == store_id
    factory.close()


def test_two_applications_do_not_share_a_store_by_accident(env: dict[str, str]) -> None:
    Factory(Environment("BankAccounts", env)).close()
    with pytest.raises(ProgrammingError, match="BANK ACCOUNTS_PYESDB_STORE_ID"):
        Factory(Environment("Bank Accounts", env))
    other = {**env, "BANK ACCOUNTS_PYESDB_STORE_ID": "bank-accounts"}
    factory = Factory(Environment("Bank Accounts", other))  # somebody said so
    assert factory.datastore.store.id == "bank-accounts"
    factory.close()
    Factory(Environment("BankAccounts", env)).close()


def test_many_that_start_at_once_make_one_store(env: dict[str, str]) -> None:
    start = threading.Barrier(8)

    def open_one(_: int) -> str:
        start.wait()
        with Accounts(env) as app:
            app.save(Account("Ada"))
            return repr(app.recorder.datastore)

    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(open_one, range(8)))
    assert len(found) == 1
    assert "accounts" in found.pop()
    with Accounts(env) as app:
        assert app.recorder.max_notification_id() == 8


def test_a_store_made_beforehand_is_used_with_its_settings(
    env: dict[str, str], data_dir: Path
) -> None:
    with pyesdb.open(data_dir) as db:
        db.create_store("accounts", max_append_events=2)
    with Accounts(env) as app:
        account = Account("Ada")
        account.credit(Decimal(1))
        app.save(account)
        assert app.recorder.store.info().config.max_append_events == 2


def test_settings_with_the_application_s_name_go_first(env: dict[str, str], tmp_path: Path) -> None:
    own = {
        "ACCOUNTS_PYESDB_DATA_DIR": str(tmp_path / "own"),
        "ACCOUNTS_PYESDB_STORE_ID": "ledger",
        "ACCOUNTS_PYESDB_DURABILITY": "os",
        "PYESDB_TIMEOUT": "3",
    }
    with Accounts({**env, **own}) as app:
        config = app.recorder.store.info().config
        assert config.data_dir == str(tmp_path / "own" / "stores" / "ledger")
        assert (config.durability, config.timeout) == ("os", 3.0)
    with Accounts({**env, "PYESDB_URL": ":memory:"}) as app:
        assert app.recorder.store.info().config.data_dir != str(tmp_path / "data")
    assert not (tmp_path / "data" / "stores" / "accounts").exists()


def test_the_environment_of_the_process_counts_too(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYESDB_STORE_ID names the default store of any database there, not one of applications."""
    for name, value in {
        "PERSISTENCE_MODULE": MODULE,
        "PYESDB_DATA_DIR": str(data_dir),
        "PYESDB_STORE_ID": "main",
        "PYESDB_TIMEOUT": "20s",
        "PYESDB_MAX_COUNT": "1000",
    }.items():
        monkeypatch.setenv(name, value)
    with Accounts() as app:
        config = app.recorder.store.info().config
        assert (store_of(app), config.timeout, config.max_count) == ("accounts", 20.0, 1000)
    factory = Factory(Environment("", dict(os.environ)))
    assert factory.datastore.store.id == "main"
    factory.close()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"PYESDB_DATA_DIR": ""}, "ACCOUNTS_PYESDB_URL, PYESDB_URL, ACCOUNTS_PYESDB_DATA_DIR"),
        ({"PYESDB_URL": "https://example.org"}, "only a directory"),
        ({"PYESDB_STORE_ID": "all"}, "ACCOUNTS_PYESDB_STORE_ID"),
        ({"ACCOUNTS_PYESDB_STORE_ID": "Not Legal"}, "not-legal"),
        ({"PYESDB_DURABILITY": "never"}, "durability"),
        ({"PYESDB_TIMEOUT": "soon"}, "PYESDB_TIMEOUT"),
        ({"PYESDB_TIMEOUT": "1000"}, "120"),
        ({"PYESDB_MAX_COUNT": "5"}, "PYESDB_MAX_COUNT is no setting"),
        ({"ACCOUNTS_PYESDB_DATA_DIRECTORY": "x"}, "ACCOUNTS_PYESDB_DATA_DIRECTORY is no setting"),
        ({"ORIGINATOR_ID_TYPE": "int"}, "ORIGINATOR_ID_TYPE"),
        ({"CREATE_TABLE": "perhaps"}, "CREATE_TABLE"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(env: dict[str, str], wrong: dict[str, str], text: str) -> None:
    with pytest.raises(OSError, match=text):
        Accounts({**env, **wrong})


def test_without_creation_the_store_must_exist(env: dict[str, str], data_dir: Path) -> None:
    with pytest.raises(ProgrammingError):
        Accounts({**env, "CREATE_TABLE": "n"})
    assert not data_dir.exists()
    Factory(env).close()
    with pytest.raises(ProgrammingError, match="accounts"):
        Accounts({**env, "CREATE_TABLE": "n"})
    Accounts(env).close()
    Accounts({**env, "CREATE_TABLE": "n"}).close()


def test_what_is_no_recorder_of_the_module_is_refused(env: dict[str, str]) -> None:
    for key, make in {
        "APPLICATION_RECORDER_TOPIC": Factory.application_recorder,
        "PROCESS_RECORDER_TOPIC": Factory.process_recorder,
        "TRACKING_RECORDER_TOPIC": Factory.tracking_recorder,
    }.items():
        factory = Factory({**env, key: "eventsourcing.popo:POPOAggregateRecorder"})
        with pytest.raises(ProgrammingError, match="POPOAggregateRecorder"):
            make(factory)
        factory.close()


def test_recorders_are_chosen_by_topic(env: dict[str, str]) -> None:
    with Accounts({**env, "APPLICATION_RECORDER_TOPIC": get_topic(Mine)}) as app:
        assert type(app.recorder) is Mine


# -- closing


def test_a_closed_application_says_so(env: dict[str, str]) -> None:
    app = Accounts(env)
    app.close()
    app.close()
    with pytest.raises(InterfaceError):
        app.save(Account("Ada"))


def test_a_forgotten_application_is_closed_without_a_warning(
    env: dict[str, str], data_dir: Path
) -> None:
    """The library forgets the factories of its views; a cycle is what the collector finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        view = Factory(env).tracking_recorder()
        view.itself = view  # type: ignore[attr-defined]
        assert view.max_tracking_id("up") is None  # lives on without its factory
        del view
        gc.collect()
    with pyesdb.open(data_dir, exclusive=True) as db:  # nobody has it open
        assert "default" in db.list_stores()


def test_a_store_that_was_removed_is_not_made_anew_by_a_save(
    env: dict[str, str], data_dir: Path
) -> None:
    with Accounts(env) as app, pyesdb.open(data_dir) as db:
        app.save(Account("Ada"))
        db.remove_store("accounts")
        with pytest.raises(OperationalError):
            app.save(Account("Bob"))
        assert "accounts" not in db.list_stores()


# -- systems and projections


@pytest.fixture(params=[SingleThreadedRunner, MultiThreadedRunner])
def runner(request: pytest.FixtureRequest, env: dict[str, str]) -> Iterator[Runner[UUID]]:
    running: Runner[UUID] = request.param(System(pipes=[[Source, Mirror]]), env=env)
    running.start()
    yield running
    running.stop()


def test_a_system_processes_each_event_once(runner: Runner[UUID]) -> None:
    source = runner.get(Source)
    mirror: Any = runner.get(Mirror)
    for n in range(20):
        account = Account(str(n))
        account.credit(Decimal(1))
        source.save(account)
    mirror.recorder.wait("Source", 40, timeout=30)
    owners = [
        mirror.mapper.to_domain_event(n).owner for n in mirror.recorder.select_notifications(1, 100)
    ]
    assert owners == [f"mirror of {n}" for n in range(20)]
    assert mirror.recorder.max_tracking_id("Source") == 40


def test_a_projection_goes_on_where_it_was(env: dict[str, str]) -> None:
    def run(events: int) -> int:
        with ProjectionRunner(
            application_class=Application[UUID],
            projection_class=projection.AggregateEventCountersProjection,
            view_class=EventCounters,
            env=env,
        ) as running:
            aggregate = Aggregate()
            for _ in range(events):
                aggregate.trigger_event(Aggregate.Event)
            recordings = running.app.save(aggregate)
            running.wait(recordings[-1].notification.id, timeout=30)
            return running.view.get_subsequent_event_counter()

    assert run(3) == 3
    assert run(4) == 7


def test_two_runners_of_one_projection_count_each_event_once(env: dict[str, str]) -> None:
    """One of them meets a conflict and ends; nothing is counted twice or left out."""
    runners: list[Any] = [
        EventSourcedProjectionRunner(
            application_class=Source, projection_class=projection.Counters, env=env
        )
        for _ in range(2)
    ]
    for _ in range(40):
        runners[0].app.save(Aggregate())
    runners[0].projection.recorder.wait("Source", 40, timeout=30)
    for running in runners:
        with suppress(IntegrityError), running:
            pass
    with projection.Counters(Environment("Counters", env)) as counters:
        assert counters.get_count(Aggregate.Created) == 40
        assert counters.recorder.max_tracking_id("Source") == 40


def test_dcb_applications_have_their_store(env: dict[str, str]) -> None:
    class Courses(DCBApplication):
        pass

    with Courses(env) as app:
        assert app.recorder.store.id == "courses"  # type: ignore[attr-defined]


def test_a_view_of_another_module_is_refused(env: dict[str, str]) -> None:
    from eventsourcing.popo import POPOTrackingRecorder

    factory = Factory(env)
    with pytest.raises(ProgrammingError, match=PyesdbTrackingRecorder.__name__):
        factory.tracking_recorder(POPOTrackingRecorder)  # type: ignore[arg-type]
    factory.close()


def test_without_the_library_the_module_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['eventsourcing'] = None\n"
        "try:\n"
        "    import pyesdb.eventsourcing\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)\n"
    )
    assert 'pip install "pyesdb[eventsourcing]"' in output_of(code)
