"""The replay itself: it passes what is equal and notices what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pyesdb.model import commands as c
from tests.machine.lab import Lab, event
from tests.machine.plugin import Recorder, recording, replay


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of two files, of which one is a copy that went on."""
    folder = tmp_path / "recording"
    folder.mkdir()
    recorder = Recorder(folder)
    with monkeypatch.context() as patch:
        recording(recorder, patch)
        lab = Lab(tmp_path / "store.db")
        for number in range(10):
            lab.append("s", [event(f"T{n}", tags=[f"t{n}", f"u{number}"]) for n in range(10)])
        lab.close()
        lab.append("s")
        lab.close()
    assert recorder.write() == 2
    return folder


def change_runs(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    runs = msgspec.msgpack.decode((folder / "runs").read_bytes())
    change(runs[1])
    (folder / "runs").write_bytes(msgspec.msgpack.encode(runs))


def test_what_is_equal_passes(recorded: Path) -> None:
    done = replay(recorded)
    assert done.returncode == 0, done.stderr
    assert "2 runs replayed, 0 differ" in done.stdout


def test_another_chain_is_noticed(recorded: Path) -> None:
    change_runs(recorded, lambda run: run.update(chain=b"\1" * 16))
    done = replay(recorded)
    assert done.returncode == 1
    assert "1 differ" in done.stdout
    assert "the chain differs" in done.stdout


def test_another_table_is_noticed_and_named(recorded: Path) -> None:
    change_runs(recorded, lambda run: run["digest"].update(event_tag="something else"))
    done = replay(recorded)
    assert done.returncode == 1
    assert "['event_tag'] differ" in done.stdout


def test_another_entry_is_noticed(recorded: Path) -> None:
    entries = (recorded / "entries").read_bytes()
    runs = msgspec.msgpack.decode((recorded / "runs").read_bytes())
    offset, size = runs[0]["path"][4]
    entry = c.decode_entry(entries[offset : offset + size])
    later = c.encode_entry(msgspec.structs.replace(entry, time=entry.time + 1))
    assert len(later) == size
    (recorded / "entries").write_bytes(entries[:offset] + later + entries[offset + size :])
    assert replay(recorded).returncode == 1
