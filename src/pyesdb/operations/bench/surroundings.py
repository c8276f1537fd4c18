"""What is measured on: the machine in words, its disk alone, and what else it was busy with."""

import os
import platform
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyesdb.operations.bench.work import Body

_datasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Disk:
    """One 4 KiB append to a file and fdatasync: what the machine can do at all, serially."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._page = b"x" * 4096

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """Write and sync; takes no notice of the events."""
        os.write(self._descriptor, self._page)
        _datasync(self._descriptor)


@contextmanager
def disk(folder: Path) -> Generator[Disk]:
    """A file on the same file system as everyone's."""
    descriptor = os.open(folder / "file", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        yield Disk(descriptor)
    finally:
        os.close(descriptor)


def cpu() -> str:
    """What the processor is called."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def system() -> str:
    """The operating system with its version."""
    return f"{platform.system()} {platform.release()}"


class Others:
    """How many cores other programs kept busy meanwhile: all busy time less ours (Linux)."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._busy = _busy_s()
        self._own = _own_s()

    def cores(self) -> float | None:
        """Cores, since this was made; None where the system does not tell. After peers ended."""
        busy = _busy_s()
        if busy is None or self._busy is None:
            return None
        foreign = busy - self._busy - (_own_s() - self._own)
        return round(max(0.0, foreign / (time.monotonic() - self._start)), 2)


def _busy_s() -> float | None:
    try:
        fields = Path("/proc/stat").read_text("utf-8").splitlines()[0].split()[1:9]
    except OSError:
        return None
    user, nice, kernel, _idle, _wait, irq, soft_irq, steal = map(int, fields)
    ticks = user + nice + kernel + irq + soft_irq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    return sum(os.times()[:4])  # this process and its children that have ended
