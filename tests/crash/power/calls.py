"""Calls as plain data: made by the child, done again by the check, told apart by command ids."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from hashlib import sha256
from os import write
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pyesdb
from pyesdb import Append, AppendCondition, NewEvent, StreamState, select

Call = dict[str, Any]


def body(call: Call, n: int) -> dict[str, Any]:
    """What the n-th event of a call says: whose it is, of how many, and bytes that only it has."""
    pad = sha256(f"{call['command']} {n}".encode()).hexdigest() * (call["size"] // 64 + 1)
    return {"c": call["command"], "i": n, "of": size_of(call), "pad": pad[: call["size"]]}


def size_of(call: Call) -> int:
    return sum(count for _, count in call["parts"])


def stream_of(call: Call, n: int) -> str:
    """In which stream the n-th event of a call lies."""
    for stream, count in call["parts"]:
        if n < count:
            return stream
        n -= count
    raise IndexError(n)


def _event(call: Call, n: int) -> NewEvent:
    tags = (call["tag"],) if "tag" in call else ()
    return NewEvent("Made", body(call, n), id=uuid5(UUID(call["command"]), str(n)), tags=tags)


def store_append(store: pyesdb.Store, call: Call) -> list[list[Any]]:
    """Do it, or do it again; [stream, first version, first position, count] of each part."""
    events = [_event(call, n) for n in range(size_of(call))]
    options: dict[str, Any] = {"command_id": UUID(call["command"])}
    if "tag" in call:
        options["condition"] = AppendCondition(select.tags(call["tag"]))
    if "tracking" in call:
        options["tracking"] = tuple(call["tracking"])
    if call["do"] == "append":
        if call.get("new"):
            options["expected"] = StreamState.NO_STREAM
        result = store.append(call["parts"][0][0], events, **options)
    else:
        appends = []
        for stream, count in call["parts"]:
            appends.append(Append(stream, events[:count]))
            events = events[count:]
        result = store.append_many(appends, **options)
    call["duplicate"] = result.duplicate
    return numbers(result)


def numbers(result: Any) -> list[list[Any]]:
    """An append's result as plain data."""
    parts = result.results if hasattr(result, "results") else [result]
    return [[part.stream, part.first_version, part.first_position, part.count] for part in parts]


def command_id(chance: Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))


class Journal:
    """Says, outside the disk, what is asked for and what was answered; a line is one write."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._mutex = threading.Lock()
        self._number = 0

    def _say(self, line: Call) -> None:
        write(self._descriptor, f"{json.dumps(line)}\n".encode())

    def ask(self, call: Call, doing: Callable[[], Any]) -> Any:
        """Do something; a refusal is an answer, anything else that is raised is a defect."""
        with self._mutex:
            self._number += 1
            number = self._number
        self._say({"ask": number, **call})
        try:
            answer = doing()
        except pyesdb.ConflictError as error:
            self._say({"answer": number, "refused": type(error).__name__})
            return None
        self._say({"answer": number, "done": answer})
        return answer
