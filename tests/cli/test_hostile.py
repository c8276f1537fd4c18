"""Input that nobody wants: what it must not do to a database, a terminal, or the next command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyesdb
from pyesdb import NewEvent
from tests.cli.conftest import Shell, run_here

STEERING = "\u009b31m\u202e\u2028"
"""What a stream name or JSON may have and a terminal obeys: CSI, right to left, a line end."""


@pytest.mark.parametrize(
    "line",
    [
        "store create Foo",
        "store create ok --set nope=1",
        "store create ok --template nope",
        "store template save t --set nope=1",
        "store template save BAD! --timeout 3",
        "store restore {file}",
        "import {file} --create",
        "import {file} --create --store Foo",
        "append $s T 1",
    ],
)
def test_bad_input_makes_no_directory(shell: Shell, line: str) -> None:
    words = [word.format(file=__file__) for word in line.split()]
    answer = run_here(*words, "--data", str(shell.data))
    assert answer.code in (2, 3, 9), answer
    assert not shell.data.exists()


@pytest.mark.parametrize("option", ["--store", "--data", "--config"])
def test_an_unset_variable_is_not_the_default(shell: Shell, option: str) -> None:
    """`--store "$TENANT"`: what belongs to a tenant never lands in the default store."""
    shell("append", "s", "T", "1")
    answer = run_here("--data", str(shell.data), "append", "s", "T", "2", option, "")
    assert answer.code == 2
    assert "it is empty" in answer.err
    assert len(shell("read", "s").lines) == 1


@pytest.mark.parametrize(
    "line",
    [
        "store clean --action freeze --idle-for 99999999999d",
        "audit --limit 99999999999999999999",
        "stream metadata s --max-count 99999999999999999999",
        "read --all --payload a={deep}",
        "read s --as-of 9999-12-31T23:59-23:59",
        "import {file} --source=",
        "store backup default x --keep 3",
        "doctor here",
    ],
)
def test_out_of_range(shell: Shell, tmp_path: Path, line: str) -> None:
    """An answer or a usage error, never a traceback (the runner would raise it)."""
    shell("append", "s", "T", "1")
    file = tmp_path / "file"
    file.write_text('{"stream": "s", "type": "T"}')
    words = line.format(deep="[" * 9000, file=file).split()
    shell(*words, code=0 if words[0] == "audit" or "--payload" in words else 2)


@pytest.mark.parametrize(
    "words",
    [
        ("read", "--all", "--prefix", ""),
        ("read", "--all", "--prefix", "tenant-*-a"),
        ("export", "-", "--prefix", ""),
        ("store", "clean", "--action", "remove", "--older-than", "1ms", "--prefix", ""),
    ],
)
def test_a_prefix_never_means_more_than_it_says(shell: Shell, words: tuple[str, ...]) -> None:
    shell("append", "tenant-b-a", "T", "1")
    shell("store", "create", "a")
    answer = shell(*words, code=2)
    assert (answer.out, "--prefix" in answer.err) == ("", True)
    assert len(shell("store", "list", "--json").documents) == 2


def test_what_steers_a_terminal_is_spelled_out(shell: Shell) -> None:
    data = json.dumps({"a": STEERING}, ensure_ascii=False)
    shell("append", "s", "T", data)
    shell("store", "create", "a", "--description", f"\x1b[31m{STEERING}")
    said = shell("read", "s").out
    assert "\\u009b31m\\u202e\\u2028" in said
    documents = shell("read", "s", "--json")
    assert documents.documents[0]["data"] == {"a": STEERING}
    told = shell("read", f"x\u202e{STEERING}", code=2).err
    config = shell("store", "config", "a")
    for text in (said, documents.out, told, config.out, shell("audit").out):
        assert not set("\x1b\u009b\u202e\u2028") & set(text)


@pytest.mark.parametrize(
    "data", [b"{not json", b'"\\ud800"', b"1e400", b"1" * 5000, b"[" * 3000 + b"]" * 3000, b""]
)
def test_data_that_only_says_it_is_json_is_shown_as_bytes(shell: Shell, data: bytes) -> None:
    """One such event does not hide those behind it."""
    with pyesdb.open(shell.data) as db:
        store = db.store()
        store.append("s", [NewEvent("T", data, content_type="application/json"), NewEvent("T", 1)])
        store.record_snapshot("src", "s", 0, data)
    first, second = shell("read", "s", "--json").documents
    assert "data" not in first
    assert second["data"] == 1
    assert f"<{len(data):,} bytes of application/json>" in shell("read", "s").lines[0]
    assert "data_base64" in shell("snapshot", "show", "src", "s", "--json").documents[0]


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_a_time_outside_the_calendar_is_refused(shell: Shell, moment: str, tmp_path: Path) -> None:
    """Stored, it would make every read of its stream fail."""
    event = {"stream": "s", "type": "T", "time": moment}
    shell("append", "s", "-", stdin=json.dumps(event), code=2)
    file = tmp_path / "lines.jsonl"
    file.write_text(json.dumps(event))
    shell("append", "s", "T", "1")
    shell("import", str(file), code=9)
    assert len(shell("read", "s").lines) == 1


def test_a_failing_store_leaves_the_others_their_answers(shell: Shell) -> None:
    for name in "abc":
        shell("store", "create", name, "--durability", "os")
    (shell.data / "stores" / "b" / "store.db").unlink()
    for line in ("store stats", "store list --idle-for 1ms", "store verify --all"):
        answer = shell(*line.split(), "--json", code=9)
        catalog = ["$system"] if "verify" in line else []
        assert [row["store"] for row in answer.documents] == [*catalog, "a", "c", "default"]
        assert "store.db is missing" in answer.error["message"]


def test_export_does_not_replace_devices_pipes_links_or_databases(
    shell: Shell, tmp_path: Path
) -> None:
    shell("append", "s", "T", "1")
    live = shell.data / "stores" / "default" / "store.db"
    answer = shell("export", str(live), "--force", code=2)
    assert "database's own files" in answer.err
    shell("export", str(shell.data / "pyesdb.json"), "--force", code=2)
    assert len(shell("read", "s").lines) == 1
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_text("old")
    link.symlink_to(target)
    shell("export", str(link), "--force")
    assert link.is_symlink()
    assert "pyesdb_export" in target.read_text()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        shell("export", str(pipe))
        assert b"pyesdb_export_end" in os.read(reader, 1 << 16)
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def shelled(script: str, **more: str) -> tuple[int, str]:
    """A line of sh in which $P is pyesdb."""
    done = subprocess.run(
        ["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=100, check=False,
        env={**os.environ, "P": f"{sys.executable} -W error -m pyesdb.cli", **more},
    )  # fmt: skip
    return done.returncode, done.stdout


def test_closed_and_full_streams(shell: Shell) -> None:
    shell("append", "s", "T", '"\u00e4"')
    there = f"--data {shell.data}"
    assert shelled(f"$P {there} append s - <&-") == (0, "nothing to append\n")
    assert shelled(f"$P {there} read s >&-") == (0, "")
    code, told = shelled(f"$P {there} read s >/dev/full")
    assert (code, told) == (1, "the system refused: [Errno 28] No space left on device\n")
    code, printed = shelled(f"$P {there} read s --json", PYTHONIOENCODING="ascii")
    assert json.loads(printed)["data"] == "\u00e4"
