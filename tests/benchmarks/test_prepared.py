"""Filled stores: once, whole, or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import prepared
from benchmarks.sides import Missing


class Side:
    """Counts what it is filled with, and writes a byte for each event."""

    fills = 0

    def __init__(self, folder: Path, most: int) -> None:
        self._file = folder / "events"
        self._most = most

    def fill(self, batch: Sequence[tuple[str, int, Sequence[object]]]) -> None:
        Side.fills += sum(len(bodies) for _, _, bodies in batch)
        if Side.fills > self._most:
            raise OSError("the disk is full")
        self._file.write_bytes(b"x" * Side.fills)


def opener(most: int):
    @contextmanager
    def opened(folder: Path) -> Iterator[Side]:
        yield Side(folder, most)

    Side.fills = 0
    return opened


@pytest.mark.parametrize("layout", [prepared.many_streams, prepared.one_stream])
def test_a_store_is_filled_once_for_all_rows(tmp_path: Path, layout: prepared.Layout) -> None:
    side = opener(5000)
    first = prepared.filled(tmp_path, "x", side, 5000, layout)
    assert Side.fills == 5000
    assert prepared.filled(tmp_path, "x", side, 5000, layout) == first
    assert Side.fills == 5000
    assert (first[0] / "events").stat().st_size == 5000
    assert first[1] == (first[0] / "events").stat().st_blocks * 512


def test_a_store_that_could_not_be_filled_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="failed while filling: OSError: the disk is full"):
        prepared.filled(tmp_path, "x", opener(1000), 5000, prepared.many_streams)
    assert list(tmp_path.iterdir()) == []
    folder, _ = prepared.filled(tmp_path, "x", opener(5000), 5000, prepared.many_streams)
    assert (folder / "events").stat().st_size == 5000


def test_too_little_room_is_said_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(Missing, match=r"needs 0\.0 GB .* 0\.0 GB are free"):
        prepared.filled(tmp_path, "x", opener(5000), 5000, prepared.many_streams)
    assert list(tmp_path.iterdir()) == []
