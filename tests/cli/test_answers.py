"""What commands print under --json is what their schema says, for every command that has --json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

import pyesdb
from pyesdb.cli import main
from pyesdb.cli.answers import ANSWERS
from tests.cli.conftest import Shell, run_here

WITHOUT = {"demo"}
"""It prints its steps as it goes; tests/cli/test_demo.py knows them."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def has_json(command: click.Command) -> bool:
    return any("--json" in parameter.opts for parameter in command.params)


LINES: dict[str, list[str]] = {
    "append": ["append s Placed {} --store a", "append s - --store a"],
    "audit": ["audit", "audit --store a --after 1"],
    "bench": ["bench --seconds 0.005"],
    "config show": ["config show", "config show --store a"],
    "read": ["read s --store a", "read --all --store a --type Placed"],
    "tail": ["tail --store a --after 0 --limit 1"],
    "doctor": ["doctor"],
    "export": ["export events.jsonl --store a"],
    "import": ["import events.jsonl --store imported --create"],
    "snapshot record": ["snapshot record cart s 0 {} --store a"],
    "snapshot show": ["snapshot show cart s --store a"],
    "snapshot list": ["snapshot list --store a"],
    "snapshot delete": ["snapshot delete cart s --store a"],
    "store create": ["store create b --tags eu"],
    "store list": ["store list", "store list --system", "store list --idle-for 1ms"],
    "store status": ["store status a"],
    "store config": ["store config a"],
    "store stats": ["store stats", "store stats a"],
    "store verify": ["store verify a", "store verify --all"],
    "store update": ["store update a --timeout 9 --set description=null"],
    "store freeze": ["store freeze b"],
    "store thaw": ["store thaw b"],
    "store scavenge": ["store scavenge a"],
    "store template save": ["store template save small --max-events 10"],
    "store template list": ["store template list"],
    "store template show": ["store template show small"],
    "store template remove": ["store template remove small"],
    "store clean": ["store clean --action remove --older-than 1ms --keep a --prefix b --dry-run"],
    "store backup": ["store backup a a.backup", "store backup --all --dir backups"],
    "store restore": ["store restore a.backup --as c"],
    "store copy": ["store copy a d", "store copy a e --as-of 1 --type Placed"],
    "store remove": ["store remove b"],
    "store trash": ["store trash"],
    "store recover": ["store recover b --as f"],
    "stream info": ["stream info s --store a"],
    "stream metadata": ["stream metadata s --max-age 30d --max-count 9 --custom {} --store a"],
    "stream truncate": ["stream truncate s --before 1 --store a"],
    "streams": ["streams --store a"],
    "sub create": ["sub create all --store a", "sub create late --after end --store a"],
    "sub list": ["sub list --store a"],
    "sub status": ["sub status all --store a"],
    "sub update": ["sub update all --window 9 --store a"],
    "sub watch": ["sub watch all --limit 1 --store a"],
    "sub parked": ["sub parked poisoned --store p"],
    "sub replay": ["sub replay all --all --store a"],
    "sub discard": ["sub discard all --all --store a"],
    "sub reset": ["sub reset all --after 0 --store a"],
    "sub remove": ["sub remove all --store a"],
    "stream delete": ["stream delete s --store a"],
    "stream tombstone": ["stream tombstone s --store a"],
}
"""A session in this order: of each command, lines with different answers."""


WITH_CIPHERS = {"store rekey"}
"""tests/encryption/test_cli.py runs it and holds what it prints against its type."""


def test_every_command_with_json_has_a_type_and_a_line() -> None:
    found = {name for name, command in commands(main) if has_json(command)}
    assert found - WITHOUT == set(ANSWERS) == set(LINES) | WITH_CIPHERS


def _park(shell: Shell) -> None:
    """A store `p` with a parked event."""
    with pyesdb.open(shell.data) as db:
        store = db.create_store("p")
        store.append("s", pyesdb.NewEvent("Bad"))
        store.save_subscription("poisoned", pyesdb.select.everything)
        with store.consume("poisoned") as consumer:
            consumer.nack(next(consumer), "park", reason="bad")


def test_every_answer_is_what_its_schema_says(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shell("store", "create", "a", "--description", "first")
    shell("append", "s", "Placed", '{"n": 1}', "--store", "a")
    _park(shell)
    empty: list[str] = []
    for name, lines in LINES.items():
        for line in lines:
            stdin = '{"type": "Placed"}\n' if " - " in line else ""
            documents = shell(*line.split(), "--json", stdin=stdin).documents
            if not documents:
                empty.append(line)
            for document in documents:
                msgspec.convert(document, ANSWERS[name])
    assert empty == []


@pytest.mark.parametrize("name", ANSWERS)
def test_schemas_are_printed(name: str) -> None:
    answer = run_here("schema", *name.split())
    assert answer.code == 0
    schema: dict[str, Any] = json.loads(answer.out)
    [definition] = [d for key, d in schema["$defs"].items() if schema["$ref"].endswith("/" + key)]
    assert definition["additionalProperties"] is False
    assert definition["description"]


def test_an_unknown_command_names_the_known_ones() -> None:
    answer = run_here("schema", "store", "frobnicate")
    assert answer.code == 2
    assert "store list" in answer.err
