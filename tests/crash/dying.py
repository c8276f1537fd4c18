"""Does one operation and dies in it by SIGKILL; each time in a fresh fork of this process.

dying.py DIRECTORY OPERATION HOOK...: at the named hooks of reconcile, or at "step:N".
Prints "died" or "ended" per hook, and waits for a line before the next one.
"""

import os
import signal
import sys
import time
from collections.abc import Callable

import pyesdb
from pyesdb.node import reconcile
from pyesdb.telemetry.clock import set_source
from tests.stress.interrupts import at_step


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def expire(db: pyesdb.Database) -> None:
    set_source(lambda: time.time_ns() + 3600 * 10**9)
    db._core.node.expire_trash()


WORK: dict[str, Callable[[pyesdb.Database, str], object]] = {
    "restore": lambda db, directory: db.restore_backup(f"{directory}.backup", as_="x"),
    "copy": lambda db, _: db.copy_store("kept", "x"),
    "fork": lambda db, _: db.copy_store("kept", "x", as_of=3),
    "split": lambda db, _: db.copy_store("kept", "x", select=pyesdb.select.stream("s")),
    "restore default": lambda db, directory: db.restore_backup(
        f"{directory}.backup", as_="default"
    ),
    "copy default": lambda db, _: db.copy_store("kept", "default"),
    "recover default": lambda db, _: db.recover_store("gone", as_="default"),
    "create": lambda db, _: db.create_store("x"),
    "remove": lambda db, _: db.remove_store("x"),
    "purge": lambda db, _: db.remove_store("x", purge=True),
    "recover": lambda db, _: db.recover_store("x"),
    "recover as": lambda db, _: db.recover_store("x", as_="y"),
    "expire": lambda db, _: expire(db),
    "freeze": lambda db, _: db.freeze_store("x"),
    "thaw": lambda db, _: db.thaw_store("x"),
    "update": lambda db, _: db.update_store(
        "x", max_events=2, description="new", indexed_payload=["n"]
    ),
    "template": lambda db, _: db.save_template("t", max_streams=1, timeout=20),
}


def child(directory: str, operation: str, place: str) -> None:
    with pyesdb.open(directory) as db:
        kind, _, number = place.partition(":")
        doing: Callable[[], object] = lambda: WORK[operation](db, directory)  # noqa: E731
        if kind == "step":
            at_step(int(number), die, doing)
            return

        def hook(step: str) -> None:
            if step == place:
                die()

        reconcile.hook = hook
        doing()


def main(directory: str, operation: str, *places: str) -> None:
    for place in places:
        if not sys.stdin.readline():
            return  # the test has seen enough
        pid = os.fork()
        if pid == 0:
            child(directory, operation, place)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print("died" if os.WIFSIGNALED(status) else "ended", flush=True)


main(*sys.argv[1:])
