"""Forks a process per line of JSON, lets it work until its power is cut, and says how it ended.

It imports the package and does nothing with it: each fork begins as a fresh process would.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from tests.crash.power import vfs
from tests.crash.power.calls import Call, Journal
from tests.crash.power.disk import Disk
from tests.crash.power.system import watch
from tests.crash.power.work import session


def work(job: Call) -> None:
    base = Path(job["base"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    journal = Journal(os.open(job["journal"], flags))
    record = os.open(job["record"], flags)
    cut = vfs.Cut(job["kind"], job["number"], record, job["lies"])
    kept = watch(Disk(base), cut)
    for number in range(job["sessions"]):
        raised = session(str(base / "data"), journal, number, job)
        for error in raised:
            traceback.print_exception(error)
        if raised:
            os._exit(1)
    vfs.end("at rest")
    del kept


def main() -> None:
    for line in sys.stdin:
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            try:
                work(json.loads(line))
            finally:
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)


if __name__ == "__main__":
    main()
