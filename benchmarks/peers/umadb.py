"""UmaDB: its own server as a child process, its own Python client in this one.

The server syncs each commit group to disk before it answers; it is used with its defaults. A stream
is a tag; an event that has tags needs no such one, since its order names the stream. One client is
shared by all threads, which is its faster way (measured).
"""

import importlib.util
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.sides import Missing, Refused, looked_at
from benchmarks.work import Body, encode, kind, matching, tags

START_S = 10.0
READ_BATCH = 1000
_SERVE = "import sys, umadb; umadb.run_server_from_args(['umadb', *sys.argv[1:]])"


class Uma:
    """A client of a server of our own. `tagged`: three tags an event, one of them its stream's."""

    def __init__(self, client: Any, module: Any, pid: int, *, tagged: bool = False) -> None:
        self._client, self._module = client, module
        self._event = module.Event
        self.pid = pid
        self._tags = _three if tagged else _stream_only
        self._query = lambda tag: module.Query([module.QueryItem(tags=[tag])])

    def _events(self, stream: str, version: int, bodies: Sequence[Body]) -> list[Any]:
        return [
            self._event(kind(at), encode(body), self._tags(stream, at), uuid.uuid4())
            for at, body in enumerate(bodies, version)
        ]

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One call, with no condition."""
        self._client.append(self._events(stream, version, bodies))

    def append_if(self, stream: str, version: int, body: Body, after: int) -> int:
        """One call with a condition."""
        module = self._module
        items = [
            module.QueryItem(types=types, tags=all_of)
            for types, all_of in matching(stream, version)
        ]
        condition = module.AppendCondition(module.Query(items), after)
        try:
            return self._client.append(self._events(stream, version, (body,)), condition)
        except module.IntegrityError as error:
            raise Refused(str(error)) from error

    def fill(self, batch: Sequence[tuple[str, int, Sequence[Body]]]) -> None:
        """One call with the events of all streams."""
        self._client.append([event for append in batch for event in self._events(*append)])

    def scan(self) -> tuple[int, int]:
        """Iterate over a read of everything."""
        return looked_at(found.event.data for found in self._client.read())

    def scan_backwards(self) -> tuple[int, int]:
        """Iterate over a read of everything, newest first."""
        return looked_at(found.event.data for found in self._client.read(backwards=True))

    def replay(self, stream: str) -> tuple[int, int]:
        """A read by the stream's tag."""
        query = self._query(self._tags(stream, 0)[0])
        return looked_at(found.event.data for found in self._client.read(query))


def _stream_only(stream: str, at: int) -> list[str]:
    return [stream]


def _three(stream: str, at: int) -> list[str]:
    return list(tags(stream, at))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _connect(module: Any, url: str, server: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + START_S
    while True:
        try:
            client = module.Client(url, batch_size=READ_BATCH)
            client.head()
        except Exception as error:  # its client raises several kinds while it starts
            if server.poll() is not None:
                raise Missing(f"the UmaDB server ended with {server.returncode}") from error
            if time.monotonic() > deadline:
                raise Missing(f"no answer from the UmaDB server in {START_S} s: {error}") from error
            time.sleep(0.05)
        else:
            return client


@contextmanager
def server(folder: Path, *, tagged: bool = False) -> Iterator[Uma]:
    """Start a server on a free local port, connect, and stop it at the end."""
    if importlib.util.find_spec("umadb") is None:
        raise Missing("umadb is not installed: install requirements/bench.txt")
    import umadb

    listen = f"127.0.0.1:{_free_port()}"
    data = folder / "data"
    data.mkdir(exist_ok=True)
    child = subprocess.Popen(
        [sys.executable, "-c", _SERVE, "--listen", listen, "--db-path", str(data)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Uma(_connect(umadb, f"http://{listen}", child), umadb, child.pid, tagged=tagged)
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def server_tagged(folder: Path) -> Iterator[Uma]:
    """As server; each event has three tags, of which the order is its stream."""
    with server(folder, tagged=True) as side:
        yield side
