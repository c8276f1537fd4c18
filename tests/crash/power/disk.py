"""A disk that knows what it promised: what is synced stays, the rest stays as chance will have it.

It follows a directory tree and is told of each change. A file keeps its durable content and the
writes since its last sync; a folder its durable names and, in `changes`, what happened to names
since its last sync. What must never happen here: something synced that an image lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MEMORY = "-shm"
"""How the names of files end that are memory of several processes: they promise nothing."""


class Write(NamedTuple):
    """Bytes written at an offset."""

    offset: int
    data: bytes


class Size(NamedTuple):
    """The file was cut or extended to this size."""

    bytes: int


class File:
    """Content as it is on the platter, and what has not reached it for sure."""

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = bytearray(durable)
        self.pending: list[Write | Size] = []
        self.cached: bytearray | None = None
        """What readers see of `durable`, when writes were lost that they still see."""
        self.handles = 0
        """Open through the VFS, which reports its writes; else it is looked at now and then."""

    def sync(self) -> None:
        put(self.durable, self.pending)
        if self.cached is not None:
            put(self.cached, self.pending)
        self.pending.clear()

    def fail_to_sync(self) -> None:
        """As Linux does: what was written can be read, and is never written unless it is again."""
        self.cached = bytearray(self.now())
        self.pending.clear()

    def now(self) -> bytes:
        """What a reader sees before the cut."""
        return written(self.durable if self.cached is None else self.cached, self.pending)

    def look(self, content: bytes) -> None:
        """Somebody wrote to it past the VFS: this is what is in it."""
        if content != self.now():
            self.pending += [Size(len(content)), Write(0, content)]


class Folder:
    """Names that are durable, and names as they are."""

    def __init__(self) -> None:
        self.durable: dict[str, Node] = {}
        self.now: dict[str, Node] = {}
        self.memory: dict[str, bytes] = {}
        """Files that are memory (`-shm`), as they were at the cut: any of it may be on the disk."""


Node = File | Folder
Place = tuple[Folder, str]


class Change(NamedTuple):
    """One name taken out, one put in, or both at once: a rename is atomic."""

    node: Node
    out: Place | None = None
    into: Place | None = None

    def apply(self, names: Callable[[Folder], dict[str, Node]]) -> None:
        """To the names of folders; without the name that it takes away there is nothing to do."""
        if self.out:
            folder, name = self.out
            if names(folder).get(name) is not self.node:
                return
            del names(folder)[name]
        if self.into:
            folder, name = self.into
            names(folder)[name] = self.node

    @property
    def places(self) -> set[Place]:
        return {place for place in (self.out, self.into) if place}

    @property
    def folders(self) -> set[Folder]:
        return {folder for folder, _ in self.places}


class Disk:
    """A tree of folders and files under a real directory, all of it durable in the beginning."""

    def __init__(self, base: Path) -> None:
        self.base = str(base)
        self.changes: list[Change] = []
        self.root = _scanned(base)

    def place(self, path: str) -> Place | None:
        """The folder and name of a path, or None if that is not on this disk."""
        if not path.startswith(f"{self.base}/"):
            return None
        *folders, name = path[len(self.base) + 1 :].split("/")
        folder = self.root
        for part in folders:
            found = folder.now.get(part)
            if not isinstance(found, Folder):
                return None
            folder = found
        return folder, name

    def find(self, path: str) -> Node | None:
        if path == self.base:
            return self.root
        place = self.place(path)
        return place[0].now.get(place[1]) if place else None

    def change(self, node: Node, out: Place | None = None, into: Place | None = None) -> None:
        change = Change(node, out, into)
        change.apply(lambda folder: folder.now)
        self.changes.append(change)

    def sync(self, folder: Folder) -> None:
        """Names of this folder are durable, with whatever they came from."""
        chosen: list[Change] = []
        nodes: set[Node] = set()
        places: set[Place] = set()
        for change in reversed(self.changes):
            if folder in change.folders or change.node in nodes or change.places & places:
                chosen.append(change)
                nodes.add(change.node)
                places |= change.places
        for change in reversed(chosen):
            change.apply(lambda folder: folder.durable)
            self.changes.remove(change)


def _scanned(place: Path) -> Folder:
    folder = Folder()
    for path in place.iterdir():
        if path.name.endswith(MEMORY):
            continue
        folder.now[path.name] = _scanned(path) if path.is_dir() else File(path.read_bytes())
    folder.durable = dict(folder.now)
    return folder


def written(content: bytes, steps: list[Write | Size]) -> bytes:
    """The content after these steps."""
    found = bytearray(content)
    put(found, steps)
    return bytes(found)


def put(found: bytearray, steps: list[Write | Size]) -> None:
    """Take these steps; a gap is filled with zeros, as file systems do."""
    for step in steps:
        end = step.bytes if isinstance(step, Size) else step.offset + len(step.data)
        if isinstance(step, Size):
            del found[end:]
        if len(found) < end:
            found += bytes(end - len(found))
        if isinstance(step, Write):
            found[step.offset : end] = step.data
