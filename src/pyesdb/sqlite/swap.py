"""A store's directory replaced by another one: two renames, with a way back from each step.

    swap/<id>.new   complete and durable before the first rename
    swap/<id>.old   the directory that was replaced; deleted in the end

The write-ahead log and its index go with the directory, so a connection to the old file never sees
the log of the new one. Who makes a change here holds the store's lock file; readers may look into
the moment between the renames, and wait.

What must never happen here: a store of which neither directory is in place for longer than a crash.
"""

import os
import shutil
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from pyesdb.sqlite import files

_LOOK_S = 0.002
_PATIENCE_S = 1.0


@lru_cache(maxsize=256)  # paths take longer to make than to look at
def _place(folder: Path, state: str) -> Path:
    return folder.parent.parent / "swap" / f"{folder.name}.{state}"


def begin(folder: Path) -> Path:
    """An empty directory to fill; what a crash has left of an earlier one is gone."""
    settle(folder)
    new = _place(folder, "new")
    new.parent.mkdir(mode=0o700, exist_ok=True)
    new.mkdir(mode=0o700)
    return new


def replace(folder: Path, hook: Callable[[str], None]) -> None:
    """Put the new directory, durable already, in the place of `folder`, and delete that."""
    new, old = _place(folder, "new"), _place(folder, "old")
    files.sync(new.parent)
    files.sync(new.parent.parent)
    os.rename(folder, old)
    hook("old one aside")
    os.rename(new, folder)
    hook("new one in place")
    files.sync(folder.parent)
    files.sync(new.parent)
    shutil.rmtree(old)


def pending(folder: Path) -> bool:
    """Whether a replacement is under way, or was cut short."""
    return _place(folder, "old").exists() or _place(folder, "new").exists()


def settle(folder: Path) -> None:
    """Finish what was cut short: a directory is in its place, and nothing else is left."""
    new, old = _place(folder, "new"), _place(folder, "old")
    if old.exists() and not folder.exists():
        os.rename(new if new.exists() else old, folder)
        files.sync(folder.parent)
        files.sync(new.parent)
    for left in (new, old):
        if left.exists():
            shutil.rmtree(left)


def unfinished(base: Path) -> list[str]:
    """Ids of stores with something left of a replacement."""
    try:
        names = os.listdir(base / "swap")
    except FileNotFoundError:
        return []
    return sorted({name.rpartition(".")[0] for name in names})


def wait(file: Path) -> bool:
    """Between the renames: wait for the second one. Whether the store's file is there.

    A directory without the file is no moment between them: it has lost it.
    """
    end = time.monotonic() + _PATIENCE_S
    while not file.exists():
        if not _place(file.parent, "old").exists() or time.monotonic() >= end:
            return file.exists()
        time.sleep(_LOOK_S)
    return True
