"""A database in use, and what its user sees of a fault; in a process of its own.

Every append goes into the ledger, a file that outlives a kill: acknowledged, refused (the error
said that nothing was stored) or unknown. `check.py` compares it with the database, in a fresh
process.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb import NewEvent
from tests.contract.faces import AsyncFace, Runner, SyncFace

HURT, OTHER = "orders", "other"


@dataclass
class Booking:
    """Events to append, and what the append gave."""

    events: list[NewEvent]
    result: Any = None


class Scene:
    """A directory, its open database, two stores in use, and what was seen."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.seen: list[str] = []
        """Class and first sentence of each error that a user saw, in order, once each."""
        self.db: Any = None
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._ledger = os.open(directory / "ledger", flags, 0o600)
        self._told = os.open(directory / "told", flags, 0o600)
        self._numbers = 0
        self._unknown: list[tuple[str, str, list[NewEvent], list[int], Any]] = []
        self._runner: Runner | None = None

    # -- the database

    def file(self, store: str = HURT, suffix: str = "") -> Path:
        return self.data / "stores" / store / f"store.db{suffix}"

    def open(self, *, asynchronous: bool = False, **options: Any) -> Any:
        """Open it, and make the two stores if they are not there."""
        if asynchronous:
            self._runner = Runner()
            self.db = AsyncFace(self._runner).open(self.data, **options)
        else:
            self.db = SyncFace().open(self.data, **options)
        return self.db

    def make(self, *stores: str) -> None:
        for store in stores or (HURT, OTHER):
            self.db.create_store(store)
            self.note("store", store)

    def close(self) -> None:
        if self.db is not None:
            self.db.close()
            self.db = None
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def reopen(self) -> None:
        self.close()
        self.open()

    @contextmanager
    def beside(self, doing: Callable[[], object]) -> Iterator[list[int]]:
        """Do something in a fork, which begins before this process has the database open.

        Its wait status is in the list behind the block.
        """
        assert self.db is None
        self._numbers += 1000
        pid, status = os.fork(), list[int]()
        if pid == 0:
            try:
                doing()
            except BaseException as error:  # noqa: BLE001  (told to the parent)
                self.tell(f"in the other process: {error!r}")
            os._exit(0)
        self._numbers += 1000
        yield status
        status.append(os.waitpid(pid, 0)[1])
        for text in (self.directory / "told").read_text().splitlines():
            self.tell(text)

    def child(self, doing: Callable[[], object]) -> int:
        """Do something in another process, and wait for its end; its wait status."""
        with self.beside(doing) as status:
            pass
        return status[0]

    # -- calls

    def note(self, kind: str, store: str, **what: Any) -> None:
        """A line of the ledger."""
        os.write(self._ledger, json.dumps({"kind": kind, "store": store, **what}).encode() + b"\n")

    def tell(self, text: str) -> None:
        """What a user sees."""
        text = self.plain(text)
        if text not in self.seen:
            self.seen.append(text)
            os.write(self._told, f"{text}\n".encode())

    def plain(self, text: str) -> str:
        """A text without what differs from run to run: directory, ids, processes."""
        text = text.replace(f"{self.data}/", "").replace(str(self.data), "the directory")
        text = text.replace(f"{self.directory}/", "").split(". ")[0]
        text = re.sub(r"damaged in frame \d+", "damaged in frame ...", text)
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "...", text)
        text = re.sub(r"\b[0-9a-f]{32}\b", "...", text)
        text = re.sub(r"jsonl\.\w+\.part", "jsonl....part", text)
        return re.sub(r"process \d+ \([^()]*\)", "process N (its command)", text)

    def call(self, doing: Callable[[], Any], *documented: type[Exception]) -> Any:
        """A call of the user's; an error is told, and None is returned.

        `documented`: errors of Python's that this call may raise.
        """
        try:
            return doing()
        except (pyesdb.PyesdbError, *documented) as error:
            self.tell(f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001  (what must never reach a user)
            self.tell(f"RAW {type(error).__module__}.{type(error).__name__}: {error}")
        return None

    @contextmanager
    def booked(
        self, store: str = HURT, count: int = 1, *, stream: str = "s", size: int = 10
    ) -> Iterator[Booking]:
        """An append of events that are told from all others, kept in the books; errors are told."""
        numbers = list(range(self._numbers + 1, self._numbers + count + 1))
        self._numbers += count
        events = [NewEvent("Numbered", {"n": n, "text": "x" * size}) for n in numbers]
        booking, book = Booking(events), {"stream": stream, "n": numbers}
        self.note("begun", store, **book)  # a kill leaves no answer
        try:
            yield booking
        except pyesdb.OutcomeUnknown as error:
            self.tell(f"OutcomeUnknown: {error}")
            self.note("unknown", store, **book)
            self._unknown.append((store, stream, events, numbers, error.command_id))
        except pyesdb.PyesdbError as error:
            self.note("refused", store, **book)
            self.tell(f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001  (what must never reach a user)
            self.note("refused", store, **book)
            self.tell(f"RAW {type(error).__module__}.{type(error).__name__}: {error}")
        else:
            self._acknowledged(store, stream, numbers, booking.result)

    def _acknowledged(self, store: str, stream: str, numbers: list[int], result: Any) -> None:
        first = {"version": result.first_version, "position": result.first_position}
        self.note("acknowledged", store, stream=stream, n=numbers, **first)

    def append(self, store: str = HURT, count: int = 1, **options: Any) -> Any:
        """Append, and keep books of it; None when an error was told."""
        stream, size = options.pop("stream", "s"), options.pop("size", 10)
        with self.booked(store, count, stream=stream, size=size) as booking:
            booking.result = self.db.store(store).append(stream, booking.events, **options)
        return booking.result

    def resolve(self) -> None:
        """Repeat what is unknown with its command id, as its error says: now it is stored once."""
        for store, stream, events, numbers, command_id in self._unknown:
            known = self.db.store(store).outcome(command_id)
            result = self.db.store(store).append(stream, events, command_id=command_id)
            assert known is None or known.position == result.position
            self._acknowledged(store, stream, numbers, result)
        self._unknown = []

    def read(self, store: str = HURT) -> list[Any]:
        """All events of a store; [] when an error was told."""
        return self.call(lambda: self.db.store(store).read_all().to_list()) or []

    def work(self) -> None:
        """Appends and reads that must succeed in both stores."""
        before = list(self.seen)
        for store in (HURT, OTHER):
            for count, stream in ((1, "s"), (3, "t"), (1, "s")):
                assert self.append(store, count, stream=stream) is not None, self.seen
            assert self.read(store), self.seen
        assert self.seen == before

    def other_goes_on(self) -> None:
        """The store that is not hurt stores and answers."""
        told = list(self.seen)
        assert self.append(OTHER, 2) is not None, self.seen
        assert self.read(OTHER), self.seen
        assert self.seen == told

    def reads_go_on(self) -> None:
        """The hurt store answers reads, from first to last."""
        told = list(self.seen)
        events = self.read()
        assert [event.position for event in events] == list(range(1, len(events) + 1))
        assert events
        assert self.seen == told


@contextmanager
def patched(target: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute that is another one for the length of the block."""
    real = getattr(target, name)
    setattr(target, name, value)
    try:
        yield
    finally:
        setattr(target, name, real)
