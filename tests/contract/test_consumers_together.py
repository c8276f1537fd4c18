"""API "Following and consuming": consumers in several processes, and such as are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from tests.contract.tools import output_of

MORTAL = """
import os, signal, sys, time
import pyesdb
from pyesdb.telemetry.clock import set_source

directory, ahead = sys.argv[1], int(sys.argv[2])
set_source(lambda: time.time_ns() + ahead * 1_000_000_000)
with pyesdb.open(directory, durability="os") as db:
    with db.store().consume("sub") as consumer:
        while (event := consumer.get(0)) is not None:
            with consumer.handling(event):
                if event.type == "Poison":
                    os.kill(os.getpid(), signal.SIGKILL)
                print(event.position, event.attempt, flush=True)
"""

SHARING = """
import os, sys
import pyesdb

directory, log, until = sys.argv[1], sys.argv[2], int(sys.argv[3])
file = os.open(log, os.O_WRONLY | os.O_APPEND)

def handler(event):
    os.write(file, f'["{event.stream}", {event.version}, "begin", {os.getpid()}]\\n'.encode())
    os.write(file, f'["{event.stream}", {event.version}, "end", {os.getpid()}]\\n'.encode())

with pyesdb.open(directory, durability="os") as db:
    with db.store().consume("sub", window=8) as consumer:
        print("ready", flush=True)
        while not os.path.exists(log + ".over"):
            event = consumer.get(0.05)
            if event is not None:
                with consumer.handling(event):
                    handler(event)
"""


@pytest.mark.parametrize("max_retries", [0, 2])
def test_an_event_that_kills_its_process_is_counted_and_parked_and_the_rest_flows(
    data_dir: Path, max_retries: int
) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        for number in range(12):
            kind = "Poison" if number == 5 else "Good"
            store.append("abc"[number % 3], NewEvent(kind, {"n": number}))
        store.save_subscription("sub", select.everything, max_retries=max_retries)
    handled: list[tuple[int, int]] = []
    deaths = 0
    for life in range(20):  # each a minute later, when the leases of the one before have run out
        done = subprocess.run(
            [sys.executable, "-c", MORTAL, str(data_dir), str(life * 60)],
            env=os.environ.copy(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        lines = [line.split() for line in done.stdout.splitlines()]
        handled += [(int(position), int(attempt)) for position, attempt in lines]
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        deaths += 1
    with pyesdb.open(data_dir, durability="os") as db:
        (parked,) = db.store().parked("sub")
        assert (parked.event.position, parked.reason) == (6, "not acknowledged in time")
        assert parked.attempts == deaths
        assert deaths == max(2, max_retries + 1)  # the first time it was not alone
        order = list(dict.fromkeys(position for position, _ in handled))
        of_stream = defaultdict(list)
        for position in order:
            of_stream[position % 3].append(position)
        assert dict(of_stream) == {1: [1, 4, 7, 10], 2: [2, 5, 8, 11], 0: [3]}
        assert db.store().discard_parked("sub") == 1
        with db.store().consume("sub") as consumer:
            left = []
            while (event := consumer.get(0)) is not None:
                left.append(event.position)
                consumer.ack(event)
            assert left == [9, 12]


def test_processes_share_the_events_and_keep_the_order_of_streams(
    data_dir: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.touch()
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        store.save_subscription("sub", select.everything)
        command = [sys.executable, "-c", SHARING, str(data_dir), str(log), "300"]
        children = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy())
            for _ in range(2)
        ]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for number in range(300):
            store.append(f"s{number % 6}", NewEvent("E", {"n": number}))
        while (info := store.subscription_info("sub")).lag or info.in_flight:
            for child in children:
                assert child.poll() is None
        Path(f"{log}.over").touch()
        for child in children:
            assert child.wait(60) == 0
            assert child.stdout is not None
            child.stdout.close()
    said: list[Any] = [json.loads(line) for line in log.read_text().splitlines()]
    by_stream: dict[str, list[Any]] = defaultdict(list)
    for stream, version, what, _ in said:
        by_stream[stream].append((version, what))
    wanted = [(version, what) for version in range(50) for what in ("begin", "end")]
    assert by_stream == {f"s{number}": wanted for number in range(6)}
    assert len({pid for *_, pid in said}) == 2  # both of them had some


def test_who_waits_here_gets_what_another_process_appends_and_returns(data_dir: Path) -> None:
    other = """
import sys, pyesdb
with pyesdb.open(sys.argv[1], durability="os") as db:
    with db.store().consume("sub", window=1) as consumer:
        event = consumer.get(0)
        consumer.nack(event, reason="from elsewhere")
"""
    appending = """
import sys, pyesdb
with pyesdb.open(sys.argv[1], durability="os") as db:
    db.store().append("t", pyesdb.NewEvent("Late"))
"""
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        store.append("s", NewEvent("Early"))
        store.save_subscription("sub", select.everything)
        output_of(other, str(data_dir))
        with store.consume("sub") as consumer:
            event = consumer.get(30)
            assert event is not None
            assert (event.attempt, event.last_reason) == (2, "from elsewhere")
            consumer.ack(event)
            assert consumer.get(0) is None
            output_of(appending, str(data_dir))
            event = consumer.get(30)
            assert event is not None
            assert event.type == "Late"


def test_a_forked_child_does_not_use_the_consumer_of_its_parent(data_dir: Path) -> None:
    code = """
import os, sys, warnings
import pyesdb
warnings.simplefilter("ignore")
with pyesdb.open(sys.argv[1], durability="os") as db:
    store = db.store()
    store.append("s", [pyesdb.NewEvent("E"), pyesdb.NewEvent("E")])
    store.save_subscription("sub", pyesdb.select.everything)
    with store.consume("sub", window=1) as consumer:
        event = consumer.get(0)
        child = os.fork()
        if not child:
            try:
                consumer.ack(event)
                consumer.flush()
                os._exit(1)
            except pyesdb.Forked:
                os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        consumer.ack(event)
        print(consumer.get(0).position)
"""
    assert output_of(code, str(data_dir)).split() == ["7", "2"]
