"""The simulated disk itself: what is synced stays, and the rest may go in every way it should."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.crash.power.disk import Disk, File, Folder, Size, Write, written
from tests.crash.power.images import SECTOR, Least, content, materialise

SEEDS = range(200)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "old").write_bytes(b"old")
    return Disk(tmp_path / "disk")


def images(disk: Disk, folder: Path) -> set[frozenset[str]]:
    """Names that may be there after a cut."""
    folder.mkdir()
    found = set()
    for seed in SEEDS:
        target = folder / f"image{seed}"
        materialise(disk, Random(seed), target)
        found.add(frozenset(str(path.relative_to(target)) for path in target.rglob("*")))
    return found


def test_a_gap_is_zeros_and_a_size_cuts() -> None:
    assert written(b"abc", [Write(5, b"x")]) == b"abc\0\0x"
    assert written(b"abc", [Size(1), Write(2, b"x")]) == b"a\0x"
    assert written(b"abc", [Size(5)]) == b"abc\0\0"


def test_synced_content_is_in_every_image() -> None:
    file = File(b"first")
    file.pending.append(Write(5, b" second"))
    file.sync()
    file.pending += [Write(12, b"x" * 3000), Size(12)]
    assert {content(file, Random(seed))[:12] for seed in SEEDS} == {b"first second"}
    assert content(file, Least(0)) == b"first second"


def test_later_writes_may_be_there_without_earlier_ones() -> None:
    file = File(b"......")
    file.pending += [Write(0, b"a"), Write(2, b"b"), Write(4, b"c")]
    found = {content(file, Random(seed)) for seed in SEEDS}
    assert {b"......", b"a.....", b"..b...", b"....c.", b"a...c.", b"a.b.c."} <= found


def test_a_write_may_be_torn_between_sectors_and_nowhere_else() -> None:
    file = File(bytes(3 * SECTOR))
    file.pending.append(Write(SECTOR // 2, b"x" * 2 * SECTOR))
    found = {content(file, Random(seed)) for seed in range(3000)}
    halves = {0, SECTOR // 2}
    parts = {tuple(data[n : n + SECTOR].count(b"x") for n in range(0, len(data), SECTOR))
             for data in found}  # fmt: skip
    assert {first for first, *_ in parts} == halves
    assert {middle for _, middle, *_ in parts} == {0, SECTOR}
    assert {last for *_, last in parts} == halves
    assert len(parts) == 8  # any combination of the three


def test_a_file_may_have_grown_without_its_bytes() -> None:
    file = File()
    file.pending.append(Write(0, b"x" * 1000))
    assert bytes(1000) in {content(file, Random(seed)) for seed in SEEDS}


def test_a_new_name_is_there_for_sure_when_its_folder_is_synced(disk: Disk, tmp_path: Path) -> None:
    disk.change(File(b"new"), into=(disk.root, "new"))
    assert images(disk, tmp_path / "before") == {frozenset({"old"}), frozenset({"old", "new"})}
    disk.sync(disk.root)
    assert images(disk, tmp_path / "behind") == {frozenset({"old", "new"})}


def test_a_rename_is_atomic_and_durable_with_one_of_its_folders(disk: Disk, tmp_path: Path) -> None:
    folder = Folder()
    disk.change(folder, into=(disk.root, "folder"))
    disk.sync(disk.root)
    node = disk.root.now["old"]
    disk.change(node, (disk.root, "old"), (folder, "moved"))
    before, behind = frozenset({"folder", "old"}), frozenset({"folder", "folder/moved"})
    assert images(disk, tmp_path / "before") == {before, behind}
    disk.sync(folder)
    assert images(disk, tmp_path / "behind") == {behind}


def test_without_a_journal_a_later_change_may_be_there_without_an_earlier_one(
    disk: Disk, tmp_path: Path
) -> None:
    disk.change(File(), into=(disk.root, "a"))
    disk.change(File(), into=(disk.root, "b"))
    assert frozenset({"old", "b"}) in images(disk, tmp_path / "images")


def test_memory_beside_a_log_may_be_there_as_it_was_or_as_garbage(
    disk: Disk, tmp_path: Path
) -> None:
    disk.root.memory["store.db-shm"] = b"x" * 8192
    found = images(disk, tmp_path / "images")
    assert found == {frozenset({"old"}), frozenset({"old", "store.db-shm"})}
    contents = {path.read_bytes() for path in tmp_path.rglob("store.db-shm")}
    assert {b"x" * 8192, b"x" * 4096 + bytes(4096)} <= contents
    assert any(len(set(content)) > 200 for content in contents)
    materialise(disk, Least(0), tmp_path / "least")
    assert not (tmp_path / "least" / "store.db-shm").exists()


def test_what_was_written_past_the_vfs_is_pending_until_a_sync() -> None:
    file = File(b"old")
    file.look(b"newer")
    assert content(file, Least(0)) == b"old"
    assert file.now() == b"newer"
    file.sync()
    assert content(file, Least(0)) == b"newer"
