"""kill -9 of projectors, two that race, rebuilds under load: the totals are exactly right."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.projections.child import projection
from tests.projections.conftest import marked
from tests.projections.killing import Scene
from tests.stress.tools import stress_seconds

SEED = os.environ.get("PYESDB_SEED", "")
"""Read now: the variables of the library are not there any more while a test runs."""

GROUNDS = [marked(kind, {"sqlite"}) for kind in ("sqlite", "psycopg")]


@pytest.fixture(params=GROUNDS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    target = str(tmp_path / "totals.db")
    if request.param == "psycopg":
        server = request.getfixturevalue("postgres")
        target = server.url(server.schema())
    made = Scene(tmp_path, target, random.Random("projections"))
    yield made
    made.close()


def finished(scene: Scene) -> None:
    """The rest is projected, and all of it is right."""
    head = projection(scene.target).catch_up(scene.store, scene.target).position
    assert scene.check() == head == scene.store.stats().position


def test_a_projector_killed_again_and_again_counts_right(scene: Scene) -> None:
    with scene.producing():
        for _ in range(6):
            with scene.child("run") as child:
                scene.kill_after(child, scene.chance.randrange(1, 150))
            scene.check()
    finished(scene)


def test_of_two_that_race_one_projects_at_a_time(scene: Scene) -> None:
    """The other takes over when it is killed."""
    with scene.producing(), scene.child("run") as first:
        assert first.said() == "."
        with scene.child("run") as second:
            assert second.said() == "b"
            scene.kill_after(first, scene.chance.randrange(1, 100))
            scene.check()
            said = scene.kill_after(second, 50)
            assert said.strip("b") == "." * 50
            scene.check()
    finished(scene)


def test_a_killed_rebuild_leaves_what_was_there(scene: Scene) -> None:
    scene.append(150)
    finished(scene)
    for _ in range(4):
        before = scene.seen()
        handled = scene.chance.randrange(1, 100)
        with scene.child("rebuild", hold=handled) as child:
            assert scene.kill_after(child, handled) == "." * handled
        assert scene.seen() == before
        scene.append(5)
    projection(scene.target).rebuild(scene.store, scene.target)
    finished(scene)


def test_rebuilds_while_events_arrive_and_others_read(scene: Scene) -> None:
    """Readers see one complete state after the other, and never an older one."""
    made = projection(scene.target)
    scene.append(50)
    made.catch_up(scene.store, scene.target)
    last = scene.check()
    with scene.producing():
        for _ in range(2):
            with scene.child("rebuild") as child:
                said = ""
                while piece := child.said(100):
                    said += piece
                    position = scene.check()
                    assert position >= last
                    last = position
                assert said.endswith("!")
    finished(scene)


@pytest.mark.stress
@pytest.mark.parametrize(
    "scene", [marked(kind, {"sqlite", "psycopg"}) for kind in ("sqlite", "psycopg")], indirect=True
)
def test_projectors_killed_for_minutes(scene: Scene) -> None:
    """Two at a time, running or rebuilding; PYESDB_SEED repeats the plan."""
    seed = SEED or secrets.token_hex(4)
    print(f"\nPYESDB_SEED={seed}")
    scene.chance = random.Random(seed)
    end = time.monotonic() + stress_seconds(0.1)
    kills = 0
    with scene.producing():
        while time.monotonic() < end:
            with ExitStack() as stack:
                pair = [
                    stack.enter_context(
                        scene.child(scene.chance.choice(["run", "run", "run", "rebuild"]))
                    )
                    for _ in range(2)
                ]
                while pair:
                    scene.kill_one_of(pair, scene.chance.randrange(1, 150))
                    kills += 1
                    checked(scene)
    finished(scene)
    print(f"{kills} kills, {scene.store.stats().position} events")


def checked(scene: Scene) -> None:
    """The check, unless nothing was ever committed."""
    try:
        scene.check()
    except Exception as error:
        if "no such table" not in str(error) and "does not exist" not in str(error):
            raise
