"""PostgreSQL as the ground of two peers: a cluster of our own for each, stopped by its pid.

Its settings are its defaults, which sync the log before a commit is answered. It listens on a Unix
socket in a directory of its own and on no port, which is the fastest way to reach it.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.sides import Missing

SETUP = Path(__file__).with_name("postgres.sh")
DEBIAN = Path("/usr/lib/postgresql/15/bin")
USER = "postgres"
START_S = 30.0
CONNECTIONS = 64
"""More callers than these wait for one of them: a process each, on a few cores."""
_SETTINGS = ("listen_addresses=", "fsync=on", "synchronous_commit=on", "full_page_writes=on")


@dataclass(frozen=True)
class Cluster:
    """A running server: how to connect, and its first process."""

    host: str
    port: int
    pid: int
    programs: Path

    def connection_text(self, database: str = USER) -> str:
        """For libpq."""
        return f"host={self.host} port={self.port} user={USER} dbname={database}"


def driver() -> Any:
    """The module psycopg; raises Missing."""
    if importlib.util.find_spec("psycopg") is None:
        raise Missing("psycopg is not installed: install requirements/bench.txt")
    import psycopg

    return psycopg


@cache
def programs() -> Path:
    """Where initdb and postgres are, installed if need be; raises Missing."""
    done = subprocess.run(
        ["sh", str(SETUP)], check=False, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )  # what apt-get says goes to the terminal: it names hosts, which results must not
    if done.returncode:
        raise Missing("PostgreSQL 15 is not installed: apt-get install postgresql-15, as root")
    return Path(done.stdout.strip())


def version() -> str | None:
    """What is installed; None if nothing is. Installs nothing."""
    found = DEBIAN / "postgres"
    if not found.exists():
        return None
    said = subprocess.run([found, "--version"], check=False, capture_output=True, text=True).stdout
    return said.split()[2]


def _account() -> str | None:
    """Its programs refuse to run as root: then the user that the package made."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError as error:
        raise Missing(f"PostgreSQL refuses to run as root, and there is no user {USER}") from error


def _make(folder: Path, account: str | None) -> None:
    if account:
        shutil.chown(folder, account)
    done = subprocess.run(
        [programs() / "initdb", "-D", folder / "data", "-U", USER, "--auth=trust", "-E", "UTF8",
         "--locale=C", "--no-sync"],
        check=False, capture_output=True, text=True, user=account, cwd="/",
    )  # fmt: skip
    if done.returncode:
        raise Missing(f"initdb failed: {done.stderr.strip()[-300:]}")


def _await(cluster: Cluster, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            driver().connect(cluster.connection_text()).close()
        except driver().OperationalError as error:
            said = log.read_text()[-300:]
            if child.poll() is not None:
                raise Missing(f"PostgreSQL ended with {child.returncode}: {said}") from error
            if time.monotonic() > deadline:
                raise Missing(f"no answer from PostgreSQL in {START_S} s: {said}") from error
            time.sleep(0.02)
        else:
            return


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Make a cluster under `folder`, start it, and stop it at the end."""
    driver()
    account = _account()
    home = folder / "cluster"
    home.mkdir(mode=0o700)
    _make(home, account)
    # Not under `folder`: the path of a socket is short.
    with tempfile.TemporaryDirectory(prefix="bench-pg-") as sockets:
        if account:
            shutil.chown(sockets, account)
        log = folder / "log"
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        with log.open("wb") as output:
            child = subprocess.Popen(
                [programs() / "postgres", "-D", home / "data", "-k", sockets, *settings],
                stdout=output, stderr=output, user=account, cwd="/",
            )  # fmt: skip
        try:
            made = Cluster(sockets, 5432, child.pid, programs())
            _await(made, child, log)
            yield made
        finally:
            _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGINT)  # fast: connections are ended, the log is flushed
    try:
        child.wait(60)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGQUIT)  # it ends its children, too
        child.wait()
