"""Does one operation and dies in it by SIGKILL; each time in a fresh fork of this process.

dying.py DIRECTORY OPERATION HOOK...: at the named hooks of reconcile, or at "step:N".
Prints "died" or "ended" per hook, and waits for a line before the next one.
"""

import os
import signal
import sys
from collections.abc import Callable

import pyesdb
from pyesdb.node import reconcile
from tests.stress.interrupts import at_step


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def work(db: pyesdb.Database, operation: str, directory: str) -> None:
    match operation:
        case "restore":
            db.restore_backup(f"{directory}.backup", as_="x")
        case "copy":
            db.copy_store("kept", "x")
        case "fork":
            db.copy_store("kept", "x", as_of=3)
        case "split":
            db.copy_store("kept", "x", select=pyesdb.select.stream("s"))
        case "create":
            db.create_store("x")
        case "remove":
            db.remove_store("x")
        case "purge":
            db.remove_store("x", purge=True)
        case _:
            raise ValueError(operation)


def child(directory: str, operation: str, place: str) -> None:
    with pyesdb.open(directory) as db:
        kind, _, number = place.partition(":")
        doing: Callable[[], None] = lambda: work(db, operation, directory)  # noqa: E731
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
