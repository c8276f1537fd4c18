"""What a process stands on goes away: directories, modes, descriptors, locks, memory."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from pyesdb.transfer import export_events
from tests.crash.faultbook.book import Skipped, entry
from tests.crash.faultbook.disk import DOUBT
from tests.crash.faultbook.scene import HURT, OTHER, Scene, patched

DIRECTORY = r"(AccessDenied|StoreFailed|StoreStarting|Unavailable): "


@contextmanager
def obeying_modes() -> Iterator[None]:
    """Root obeys the modes of files like everybody else: without CAP_DAC_OVERRIDE."""
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    head, before = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(head, before):
        raise Skipped("this system has no capabilities")
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~0b110  # effective: DAC_OVERRIDE and DAC_READ_SEARCH
    if libc.capset(head, less):
        raise Skipped("this process may not change its capabilities")
    try:
        yield
    finally:
        libc.capset(head, before)


@entry(
    "The directory of a store becomes read-only for this user", r"AccessDenied: .*check its owner"
)
def unwritable(scene: Scene) -> None:
    scene.reopen()
    folder = scene.file().parent
    with obeying_modes():
        for path in (folder, *folder.iterdir()):
            path.chmod(0o500 if path.is_dir() else 0o400)
        scene.append()
        scene.append(count=3)
        scene.reads_go_on()
        scene.other_goes_on()
        folder.chmod(0o700)
        for path in folder.iterdir():
            path.chmod(0o600)


@entry("The directory of all stores is not writable", r"AccessDenied: .*check its owner and mode")
def no_new_stores(scene: Scene) -> None:
    stores = scene.data / "stores"
    with obeying_modes():
        stores.chmod(0o500)
        scene.call(lambda: scene.db.create_store("more"))
        scene.work()
        stores.chmod(0o700)
    scene.db.create_store("more")
    scene.note("store", "more")


@entry(
    "A directory is not writable for a backup and an export",
    r"AccessDenied: .*check its owner and",
    r"PermissionError: ",
)
def no_backup(scene: Scene) -> None:
    target = scene.directory / "kept"
    target.mkdir(mode=0o500)
    with obeying_modes():
        scene.call(lambda: scene.db.backup_store(HURT, target / "orders.backup"))
        export = lambda: export_events(scene.db.store(HURT), target / "orders.jsonl")  # noqa: E731
        scene.call(export, PermissionError)
    target.chmod(0o700)
    scene.db.backup_store(HURT, target / "orders.backup")


@entry(
    "The file system is remounted read-only under a running database, as ext4 does on an error",
    DOUBT,
    r"AccessDenied: .*",
    then="goes on when the file system is repaired and the database opened again",
)
def read_only(scene: Scene) -> None:
    scene.close()
    image = scene.directory / "image"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    made = scene.directory / "made"
    scene.data.rename(made)
    scene.data.mkdir()
    with mounted(image, scene.data) as device:
        shutil.copytree(made, scene.data, dirs_exist_ok=True)
        run("sync", "-f", scene.data)
        scene.open()
        scene.work()
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
        scene.append()
        scene.append(count=3)
        scene.reads_go_on()
        scene.call(lambda: scene.db.create_store("more"))
        scene.call(lambda: scene.db.update_store(HURT, description="new"))
        scene.close()
    run("e2fsck", "-fp", image)
    with mounted(image, scene.data):
        shutil.rmtree(made)
        shutil.copytree(scene.data, made)
    scene.data.rmdir()
    made.rename(scene.data)


def run(*words: object) -> bool:
    """Whether a command of the system's did what it should."""
    done = subprocess.run([str(word) for word in words], check=False, capture_output=True)
    return done.returncode == 0


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[str]:
    """A file system in a file; the name of its device. It is made if it is not there."""
    if os.geteuid() or not shutil.which("mkfs.ext4") or not shutil.which("losetup"):
        raise Skipped("mounting a file system in a file needs root and mkfs.ext4")
    if not image.read_bytes().strip(b"\0") and not run("mkfs.ext4", "-q", image):
        raise Skipped("mkfs.ext4 fails here")
    if not run("mount", "-o", "loop,errors=remount-ro", image, place):
        raise Skipped("this machine has no loop devices")
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
        (device,) = [line.split()[0] for line in mounts if line.split()[1] == str(place)]
        shutil.rmtree(place / "lost+found", ignore_errors=True)
        yield Path(device).name
    finally:
        run("umount", place) or run("umount", "-l", place)


@entry("The directory of a store is moved away and comes back", DIRECTORY)
def store_moved(scene: Scene) -> None:
    folder = scene.file().parent
    folder.rename(scene.directory / "aside")
    for _ in range(2):
        scene.append()
        scene.read()
        scene.call(lambda: scene.db.store(HURT))
        scene.other_goes_on()
    (scene.directory / "aside").rename(folder)


@entry("The directory of the database is moved away and comes back", DIRECTORY)
def database_moved(scene: Scene) -> None:
    aside = scene.directory / "aside"
    scene.data.rename(aside)
    for _ in range(2):
        scene.append()
        scene.read()
        scene.call(lambda: scene.db.create_store("more"))
        scene.call(scene.db.list_stores)
    assert not scene.data.exists()
    aside.rename(scene.data)


@entry(
    "The directory of a store is replaced by that of a store of another database",
    r"StoreFailed: .*was replaced, or does not belong to the database",
)
def store_replaced(scene: Scene) -> None:
    """A store of the same name, made at the same place of its catalog."""
    with foreign(scene) as other:
        folder, aside = scene.file().parent, scene.directory / "aside"
        for _ in range(2):
            folder.rename(aside)
            other.file().parent.rename(folder)
            for _ in range(2):
                scene.append()
                scene.read()
                scene.other_goes_on()
            folder.rename(other.file().parent)
            aside.rename(folder)


@contextmanager
def foreign(scene: Scene) -> Iterator[Scene]:
    """Another database, which must be as it was when the block ends."""
    (scene.directory / "other").mkdir()
    other = Scene(scene.directory / "other")
    other.open()
    other.make()
    other.work()
    content = other.read()
    other.close()
    yield other
    other.open()
    assert other.read() == content
    other.close()


@entry("Another database is put in the place of the directory", r"StoreFailed: .*was replaced")
def database_replaced(scene: Scene) -> None:
    aside = scene.directory / "aside"
    with foreign(scene) as other:
        scene.data.rename(aside)
        other.data.rename(scene.data)
        for _ in range(2):
            scene.append()
            scene.read()
            scene.call(scene.db.list_stores)
            scene.call(lambda: scene.db.create_store("more"))
        scene.data.rename(other.data)
        aside.rename(scene.data)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """This process has no file descriptor left, as if it had leaked them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    try:
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@entry("The process has no file descriptor left", *[r"Unavailable: .*ulimit -n"] * 3)
def descriptors(scene: Scene) -> None:
    scene.reopen()
    scene.db.store(HURT)
    with no_descriptors():
        scene.append()
        scene.read()
        scene.call(lambda: scene.db.create_store("more"))
        scene.call(lambda: scene.db.backup_store(HURT, scene.directory / "orders.backup"))
        scene.call(lambda: export_events(scene.db.store(HURT), scene.directory / "e.jsonl"))
        scene.call(lambda: scene.db.remove_store(OTHER))
        scene.call(scene.db.list_stores)
    scene.append()
    scene.db.backup_store(HURT, scene.directory / "orders.backup")


@entry("The process has no file descriptor left while its stores are in use")
def descriptors_in_use(scene: Scene) -> None:
    with no_descriptors():
        scene.append()
        scene.reads_go_on()
        scene.other_goes_on()


@entry("The kernel has no lock left for lock files", r"Unavailable: locks/orders.lock .*look after")
def locks(scene: Scene) -> None:
    real = fcntl.lockf

    def lockf(descriptor: int, *args: Any) -> None:
        if (
            os.readlink(f"/proc/self/fd/{descriptor}").endswith("orders.lock")
            and args[0] != fcntl.LOCK_UN
        ):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        real(descriptor, *args)

    with patched(fcntl, "lockf", lockf):
        scene.append()
        scene.append(count=3)
        scene.reads_go_on()
        scene.other_goes_on()


@entry("SQLite has no memory left", r"Unavailable: there is no memory left")
def memory(scene: Scene) -> None:
    before = apsw.hard_heap_limit(apsw.memory_used() + 20_000)
    scene.append(count=100, size=10_000)
    scene.append(count=100, size=10_000)
    scene.read()
    apsw.hard_heap_limit(before)
