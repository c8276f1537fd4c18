"""The life of stores, drawn: created, removed, recovered, frozen, changed, here and in a process
beside; all of it against a model of dicts."""

from __future__ import annotations

import ast
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

import pyesdb
from tests.contract.other import other
from tests.property import life
from tests.property.machines import long, new_directory, short

IDS = st.sampled_from(["a", "a", "a", "b"])
TEMPLATES = st.sampled_from(["t", "t", "t", "u"])
MAXIMUM = st.sampled_from([None, None, 1, 2, 3])


class Lives(RuleBasedStateMachine):
    """Every operation is an expression: here it is evaluated, beside it is sent."""

    processes = 1

    def __init__(self) -> None:
        super().__init__()
        self.model = life.Model()
        self.directory = new_directory()
        self.stack = ExitStack()
        self.open()
        if self.processes > 1:
            self.say = self.stack.enter_context(other(self.directory, life.__name__))

    def open(self) -> None:
        self.db = pyesdb.open(self.directory, durability="os")
        self.handles: dict[str, Any] = {}

    def teardown(self) -> None:
        self.db.close()
        self.stack.close()
        for path in self.directory.glob("stores/.*"):
            raise AssertionError(f"left behind: {path}")
        shutil.rmtree(self.directory.parent, ignore_errors=True)

    def found(self, who: int, expression: str) -> str:
        """What it answers here, or in the process beside."""
        if who:
            answer: str = ast.literal_eval(self.say(f"told(lambda: {expression})"))
            return answer
        names = {**vars(life), "db": self.db, "handles": self.handles}
        return life.told(lambda: eval(expression, names))

    def do(self, who: int, expression: str, name: str, *args: Any) -> None:
        """The operation by both; then what everybody sees."""
        who %= self.processes
        try:
            wanted = repr(getattr(self.model, name)(*args))
        except life.RefusedError as refusal:
            wanted = str(refusal)
        found = self.found(who, expression)
        assert found == wanted, f"{expression} in {who}: {found} instead of {wanted}"
        for looking in range(self.processes):
            self.look(looking)

    def look(self, who: int) -> None:
        """What the catalog says in a process, and what lies on the disk."""
        model = self.model
        for id, known in model.stores.items():
            known.incarnation = known.incarnation or self.db.store(id).info().incarnation
        wanted = {
            id: (
                "frozen" if known.frozen else "running", known.template, known.incarnation,
                *model.maximum(known),
            )
            for id, known in sorted(model.stores.items())
        }  # fmt: skip
        assert self.found(who, "seen(db)") == repr(wanted)
        trash = [(id, known.incarnation) for id, known in model.trash]
        assert self.found(who, "in_trash(db)") == repr(trash)
        assert self.found(who, "db.templates()") == repr(dict(sorted(model.templates.items())))
        lying = {path.name for path in Path(self.directory, "trash").iterdir()}
        assert lying == {f"{id}.{incarnation}" for id, incarnation in trash}

    who = st.integers(0, 1)

    @rule(
        who=who,
        id=IDS,
        template=st.sampled_from([None, "t", "t", "t", "u"]),
        most=MAXIMUM,
        keep=st.sampled_from([60, 60, 60, 0]),
    )
    def create(self, who: int, id: str, template: str | None, most: int | None, keep: int) -> None:
        settings = {"trash_keep": keep} | ({} if most is None else {"max_events": most})
        call = f"db.create_store({id!r}, template={template!r}, **{settings}).id"
        self.do(who, call, "create", id, template, settings)

    @rule(who=who, id=IDS, purge=st.sampled_from([False, False, False, False, True]))
    def remove(self, who: int, id: str, purge: bool) -> None:
        self.do(who, f"db.remove_store({id!r}, purge={purge})", "remove", id, purge)

    @rule(who=who, id=IDS, as_=st.sampled_from([None, None, "a", "b"]))
    def recover(self, who: int, id: str, as_: str | None) -> None:
        call = f"db.recover_store({id!r}, as_={as_!r}).id"
        self.do(who, call, "recover", id, as_ or id)

    @rule(who=who, id=IDS, frozen=st.booleans())
    def freeze(self, who: int, id: str, frozen: bool) -> None:
        call = f"db.{'freeze' if frozen else 'thaw'}_store({id!r})"
        self.do(who, call, "freeze", id, frozen)

    @rule(who=who, id=IDS, most=MAXIMUM)
    def update(self, who: int, id: str, most: int | None) -> None:
        call = f"db.update_store({id!r}, max_events={most}).max_events"
        self.do(who, call, "update", id, {"max_events": most})

    @rule(who=who, name=TEMPLATES, most=MAXIMUM)
    def save_template(self, who: int, name: str, most: int | None) -> None:
        settings = {} if most is None else {"max_events": most}
        self.do(who, f"db.save_template({name!r}, **{settings})", "save_template", name, settings)
        for looking in range(self.processes):  # what a duty does every few seconds
            assert self.found(looking, "db._core.node.refresh()") == "None"

    @rule(who=who, name=TEMPLATES)
    def remove_template(self, who: int, name: str) -> None:
        self.do(who, f"db.remove_template({name!r})", "remove_template", name)

    @rule(who=who, id=IDS, kept=st.booleans(), count=st.integers(1, 3))
    def append(self, who: int, id: str, kept: bool, count: int) -> None:
        who %= self.processes
        for _ in range(count):
            self.append_one(who, id, kept)

    def append_one(self, who: int, id: str, kept: bool) -> None:
        handle = f"handles.setdefault({id!r}, db.store({id!r}))" if kept else f"db.store({id!r})"
        self.do(who, f"{handle}.append('s', NewEvent('E')).version", "append", who, id, kept)

    @rule()
    def reopen(self) -> None:
        self.db.close()
        self.open()
        self.model.kept = {key: bound for key, bound in self.model.kept.items() if key[0]}
        self.look(0)


class LivesBeside(Lives):
    processes = 2


def test_lives_against_the_model() -> None:
    run_state_machine_as_test(Lives, settings=short(12, 50))  # type: ignore[no-untyped-call]


def test_lives_of_two_processes_against_the_model() -> None:
    run_state_machine_as_test(LivesBeside, settings=short(5, 50))  # type: ignore[no-untyped-call]


@pytest.mark.stress
@pytest.mark.parametrize("machine", [Lives, LivesBeside])
def test_lives_for_long(machine: type[Lives]) -> None:
    run_state_machine_as_test(machine, settings=long(40))  # type: ignore[no-untyped-call]
