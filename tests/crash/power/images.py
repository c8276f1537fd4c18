"""What a disk may look like after the cut: one of many images, chosen by a seed.

Of a file's writes since its last sync any subset may be there, in whole sectors; a size may be
there without the bytes. Names: a beginning of what happened (a file system with a journal), or any
subset of it (one without).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

from tests.crash.power.disk import Disk, File, Folder, Node, Size, Write, written

SECTOR = 512
PAGE = 4096


class Least(Random):
    """Nothing is there that was not synced."""

    def random(self) -> float:
        return 0.0

    def randint(self, a: int, b: int) -> int:
        return a

    def choice(self, seq: Any) -> Any:
        return seq[0]


def materialise(disk: Disk, chance: Random, target: Path) -> None:
    """Write an image into a new directory."""
    names: dict[Folder, dict[str, Node]] = defaultdict(dict)
    for folder in _folders(disk):
        names[folder] = dict(folder.durable)
    changes = disk.changes
    if chance.random() < 0.5:
        changes = changes[: chance.randint(0, len(changes))]
    else:
        share = chance.choice((0.0, 0.5, 0.9))
        changes = [change for change in changes if chance.random() < share]
    for change in changes:
        change.apply(lambda folder: names[folder])
    _write(disk.root, names, chance, target)


def _folders(disk: Disk) -> set[Folder]:
    found = {disk.root}
    left: list[Node] = [disk.root, *(change.node for change in disk.changes)]
    while left:
        node = left.pop()
        if isinstance(node, Folder):
            found.add(node)
            left += [*node.durable.values(), *node.now.values()]
    return found


def _write(
    folder: Folder, names: dict[Folder, dict[str, Node]], chance: Random, target: Path
) -> None:
    target.mkdir(mode=0o700)
    for name, node in sorted(names.get(folder, {}).items()):
        if isinstance(node, Folder):
            _write(node, names, chance, target / name)
        else:
            (target / name).write_bytes(content(node, chance))
    for name, data in sorted(folder.memory.items()):
        if chance.choice((False, True)):
            (target / name).write_bytes(_remains(data, chance))


def _remains(data: bytes, chance: Random) -> bytes:
    """Of memory the kernel writes back which pages it likes, when it likes."""
    if chance.random() < 0.3:
        return chance.randbytes(len(data))
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    share = chance.choice((1.0, 0.5))
    return b"".join(page if chance.random() < share else bytes(len(page)) for page in pages)


def content(file: File, chance: Random) -> bytes:
    """A content that the file may have after the cut."""
    steps, manner = file.pending, chance.choice(("none", "all", "beginning", "any", "torn", "torn"))
    if manner == "none":
        steps = []
    elif manner == "beginning":
        steps = steps[: chance.randint(0, len(steps))]
        steps = steps[:-1] + _torn(steps[-1], chance) if steps else steps
    elif manner in ("any", "torn"):
        share = chance.choice((0.1, 0.5, 0.9))
        steps = [step for step in steps if chance.random() < share]
    if manner == "torn":
        steps = [part for step in steps for part in _torn(step, chance)]
    return written(file.durable, steps)


def _torn(step: Write | Size, chance: Random) -> list[Write | Size]:
    """A write of which some sectors are there, or only the new size of the file."""
    manner = chance.choice(("whole", "whole", "beginning", "sectors", "size"))
    if isinstance(step, Size) or manner == "whole":
        return [step]
    if manner == "size":
        return [Write(step.offset + len(step.data), b"")]
    sectors = _sectors(step)
    if manner == "beginning":
        return sectors[: chance.randint(0, len(sectors))]
    return [sector for sector in sectors if chance.random() < 0.5]


def _sectors(step: Write) -> list[Write | Size]:
    """The write, cut at the borders of the disk's sectors."""
    found: list[Write | Size] = []
    start, end = step.offset, step.offset + len(step.data)
    while start < end:
        stop = min(end, start - start % SECTOR + SECTOR)
        found.append(Write(start, step.data[start - step.offset : stop - step.offset]))
        start = stop
    return found
