"""Applications in several processes on one directory, and in one that is killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from pyesdb.eventsourcing import PyesdbDatastore, PyesdbProcessRecorder
from tests.contract.tools import output_of
from tests.crash.batches import SAVED, killed
from tests.eventsourcing.models import Account, Accounts
from tests.stress.tools import environment, stress_seconds

HERE = Path(__file__).parent


def saved(directory: Path) -> int:
    """How many saves are stored: each with all its events and its tracking record."""
    datastore = PyesdbDatastore(directory, application="Saves")
    recorder = PyesdbProcessRecorder(datastore)
    log = recorder.select_notifications(None, 10**6)
    saves, rest = divmod(len(log), SAVED)
    assert rest == 0
    assert [n.id for n in log] == list(range(1, len(log) + 1))
    for number in range(0, len(log), 5):
        five = log[number : number + 5]
        assert [n.originator_version for n in five] == [1, 2, 3, 4, 5]
        assert len({n.originator_id for n in five}) == 1
    assert (recorder.max_tracking_id("upstream") or 0) == saves
    datastore.close()
    return saves


@pytest.mark.parametrize(("place", "stored"), [("before", 3), ("behind", 4)])
def test_killed_around_the_commit_of_a_save(data_dir: Path, place: str, stored: int) -> None:
    assert killed("save", data_dir, place) == 3
    assert saved(data_dir) == stored


@pytest.mark.parametrize("acknowledged", [2, 9])
def test_killed_anywhere_in_a_save(data_dir: Path, acknowledged: int) -> None:
    found = killed("save", data_dir, "any", acknowledged)
    assert found >= acknowledged
    assert saved(data_dir) in (found, found + 1)


@pytest.mark.stress
def test_killed_again_and_again_in_a_save(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end, chance, rounds, saves = time.monotonic() + stress_seconds(0.1), random.Random(5), 0, 0
    data_dir.mkdir()
    while time.monotonic() < end:
        directory = data_dir / str(rounds)
        found = killed("save", directory, "any", chance.randrange(1, 200))
        assert saved(directory) in (found, found + 1)
        rounds, saves = rounds + 1, saves + found
    with capsys.disabled():
        print(f"\nkilled {rounds} times in {saves} saves of {SAVED} events: none torn, none lost")


def test_processes_credit_one_account_and_no_credit_is_lost(data_dir: Path) -> None:
    env = {"PERSISTENCE_MODULE": "pyesdb.eventsourcing", "PYESDB_DATA_DIR": str(data_dir)}
    with Accounts(env) as app:
        account = Account("Ada")
        app.save(account)
        rivals = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.eventsourcing.crediting", str(data_dir),
                 str(account.id), "25"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
                cwd=HERE.parents[1],
            )
            for _ in range(2)
        ]  # fmt: skip
        with app.recorder.subscribe() as subscription:
            for rival in rivals:
                assert rival.stdin is not None
                rival.stdin.write("\n")
                rival.stdin.flush()
            log = [next(subscription) for _ in range(51)]  # what the others save, as it comes
        outcomes = [rival.communicate()[0] for rival in rivals]
        assert [rival.returncode for rival in rivals] == [0, 0], outcomes
        assert [n.id for n in log] == list(range(1, 52))
        assert [n.originator_version for n in log] == list(range(1, 52))
        assert app.repository.get(account.id).balance == Decimal(50)


FORKED = """
import os, sys
from eventsourcing.application import Application
from eventsourcing.persistence import InterfaceError

app = Application(
    {"PERSISTENCE_MODULE": "pyesdb.eventsourcing", "PYESDB_DATA_DIR": sys.argv[1]}
)
if os.fork() == 0:
    try:
        app.recorder.max_notification_id()
    except InterfaceError as error:
        sys.exit(7 if "fork" in str(error) else 8)  # with all that an interpreter does at its end
    sys.exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]), app.recorder.max_notification_id())
app.close()
"""


def test_an_application_that_came_with_a_fork_says_so(data_dir: Path) -> None:
    """The child must make its own; the parent's goes on."""
    assert output_of(FORKED, str(data_dir)).split() == ["7", "None"]
