"""`pyesdb` for a page of a hundred commands: each a process of its own, forked where the package is
imported already. Starting Python and importing it is nine tenths of a short command.

    forked.py SOCKET                 serve: tell "ready", then fork for every call until stdin ends
    forked.py SOCKET --call WORDS    hand words, variables, directory and streams over; exit as told
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable


def call(path: str, words: list[str]) -> int:
    """Run a command line on the streams of this process; its exit code."""
    asked = {"words": words, "cwd": os.getcwd(), "environ": dict(os.environ)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.connect(path)
        socket.send_fds(door, [json.dumps(asked).encode()], [0, 1, 2])
        return int(door.recv(16) or b"1")


def serve(path: str) -> None:
    """Fork for every call: nothing of the package has run yet in this process."""
    from pyesdb.cli import main

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(path)
        listening.listen(64)
        print("ready", flush=True)
        while True:
            door, _ = listening.accept()
            if os.fork() == 0:
                answer(main, door)
            door.close()


def answer(main: Callable[..., object], door: socket.socket) -> None:
    """The child: become the caller, run, tell the exit code."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        asked, streams, _, _ = socket.recv_fds(door, 1 << 20, 3)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        found = json.loads(asked)
        os.chdir(found["cwd"])
        os.environ.clear()
        os.environ.update(found["environ"])
        main(found["words"], prog_name="pyesdb")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number in (0, 1, 2):
            os.close(number)  # what reads from here sees the end before the caller goes on
        door.send(str(code).encode())
        os._exit(0)


if __name__ == "__main__":
    if sys.argv[2:3] == ["--call"]:
        sys.exit(call(sys.argv[1], sys.argv[3:]))
    serve(sys.argv[1])
