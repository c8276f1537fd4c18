"""The main thread appends and is interrupted again and again; eight others append meanwhile.

interrupt.py DIRECTORY COUNT, and the number of this process. Signals come at random moments.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from types import FrameType

import pyesdb
from pyesdb import NewEvent

directory, count, _ = sys.argv[1:]
OTHERS = 8
acknowledged: list[tuple[str, int]] = []
foreign: list[str] = []
numbers = iter(range(1 << 60))
handled = raised = 0
longest = 0.0
done = threading.Event()


def handler(number: int, frame: FrameType | None) -> None:
    """What Python's own does, while `lead` runs: around it nobody would catch it."""
    global handled
    handled += 1
    while frame is not None:
        if frame.f_code is lead.__code__:
            raise KeyboardInterrupt
        frame = frame.f_back


def other(store: pyesdb.Store, me: int) -> None:
    global longest
    n = 0
    try:
        while not done.is_set():
            n += 1
            name = f"other-{me}-{n}"
            began = time.monotonic()
            position = store.append("s", NewEvent("E", name), timeout=60).position
            longest = max(longest, time.monotonic() - began)
            acknowledged.append((name, position))
    except BaseException as error:  # noqa: BLE001  (reported to the test)
        foreign.append(repr(error))


def send() -> None:
    chance = random.Random(int(count))
    for _ in range(int(count)):
        before = handled
        time.sleep(chance.uniform(0.0005, 0.004))
        os.kill(os.getpid(), signal.SIGINT)
        while handled == before:
            time.sleep(0.0002)
    done.set()


def lead(store: pyesdb.Store) -> None:
    global raised
    while not done.is_set():
        name = f"main-{next(numbers)}"
        try:
            position = store.append("s", NewEvent("E", name), timeout=60).position
            acknowledged.append((name, position))
        except KeyboardInterrupt:
            raised += 1


with pyesdb.open(directory) as db:
    contested = db.store("contested")
    contested.append("s", NewEvent("E", "first"))
    print("ready", flush=True)
    sys.stdin.readline()
    others = [
        threading.Thread(target=other, args=(contested, n), daemon=True) for n in range(OTHERS)
    ]
    for thread in others:
        thread.start()
    signal.signal(signal.SIGINT, handler)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    while not done.is_set():
        try:
            lead(contested)
        except KeyboardInterrupt:
            pass
        except BaseException as error:  # noqa: BLE001  (reported to the test)
            foreign.append(f"main: {error!r}")
            done.wait()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for thread in others:
        thread.join(60)
    stuck = sum(thread.is_alive() for thread in others)
    report = {
        "acknowledged": acknowledged,
        "foreign": foreign,
        "interrupts": handled,
        "raised": raised,
        "stuck": stuck,
        "longest": longest,
    }
    print(json.dumps(report), flush=True)
    if stuck:
        os._exit(0)
