"""Runs entries of the book, each in a fork of this process, which imports everything once.

Reads lines "run NAME DIRECTORY" and "check - DIRECTORY", and answers each with a line of JSON. A
fork has no database open yet, so it is as fresh as a new process.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from pyesdb.sqlite import files
from tests.crash.faultbook import book
from tests.crash.faultbook.check import check

LONGEST_S = 60


def answer(what: str, name: str, directory: Path) -> dict[str, Any]:
    """What a fork does."""
    try:
        return check(directory) if what == "check" else book.run(book.BOOK[name], directory)
    except book.Skipped as reason:
        return {"skipped": str(reason)}
    except BaseException:  # noqa: BLE001  (told to the test)
        return {"failed": traceback.format_exc()}


def forked(what: str, name: str, directory: Path) -> dict[str, Any]:
    """The same in a process of its own; one that was killed answers {"died": signal}."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)
        found = json.dumps(answer(what, name, directory)).encode()
        with os.fdopen(writing, "wb") as file:
            file.write(found)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        content = file.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return {"died": os.WTERMSIG(status)}
    if not content:
        return {"failed": f"it did not end in {LONGEST_S} s, see stderr"}
    return json.loads(content)


def main() -> None:
    book.load()
    files.template()
    for line in sys.stdin:
        what, name, directory = line.rstrip("\n").split(" ", 2)
        print(json.dumps(forked(what, name, Path(directory))), flush=True)


if __name__ == "__main__":
    main()
