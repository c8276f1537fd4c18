"""Followers below their faces: nobody is missed, nobody is woken for nothing, nobody is in the way.

Where a test needs a moment, it makes it: a commit between a look and a wait, a look of the poller.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from pyesdb.node import poller
from pyesdb.store.follow import Follow
from pyesdb.store.head import Bell, Head, SyncWaiter
from tests.contract.test_follow import taken
from tests.contract.tools import new_events, one, output_of, positions
from tests.scale.tools import let_rest, node_of, store_files, threads

pytestmark = pytest.mark.usefixtures("unrecorded")  # many events, and nothing new for the machine
SOON_S = 30.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[pyesdb.Database]:
    with pyesdb.open(tmp_path / "data", durability="os") as opened:
        yield opened


@pytest.fixture
def store(database: pyesdb.Database) -> pyesdb.Store:
    return database.store()


def runtime_of(store: Any) -> Any:
    return store._handle.runtime()


def waiting(follower: Any, action: Any) -> list[Any]:
    """What a follower that waits without a limit gets when something is done meanwhile, if that
    wakes it: an event, None when it was stopped because nothing did, or an error.
    """
    found: list[Any] = []

    def read() -> None:
        try:
            found.append(follower.get())
        except pyesdb.PyesdbError as error:
            found.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    while not follower._follow.runtime.head.waiting and reading.is_alive():
        time.sleep(0.001)
    action()
    reading.join(SOON_S / 3)
    if reading.is_alive():
        follower.stop()
    reading.join()
    return found


def drained(follow: Follow, into: list[Any] | None = None) -> list[Any]:
    found: list[Any] = [] if into is None else into
    while follow.behind:
        follow.fill()
        while (event := follow.take()) is not None:
            found.append(event)
    return found


# -- signals


def test_a_commit_between_the_look_and_the_wait_is_not_missed(
    store: pyesdb.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = store.follow()
    assert follower.get(0) is None
    head = runtime_of(store).head

    def add(waiter: Any) -> None:
        store.append("a", one())
        Head.add(head, waiter)

    monkeypatch.setattr(head, "add", add)
    waits = []
    monkeypatch.setattr(SyncWaiter, "wait", lambda _, timeout_s: waits.append(timeout_s))
    event = follower.get(SOON_S)
    assert event is not None
    assert event.position == 1
    assert waits == []


def test_a_commit_behind_the_registration_wakes(
    store: pyesdb.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = store.follow()
    wait = SyncWaiter.wait

    def append_and_wait(waiter: SyncWaiter, timeout_s: float | None) -> bool:
        store.append("a", one())
        return wait(waiter, timeout_s)

    monkeypatch.setattr(SyncWaiter, "wait", append_and_wait)
    event = follower.get(SOON_S)
    assert event is not None


def test_a_removal_between_the_look_and_the_wait_is_not_missed(
    database: pyesdb.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = database.create_store("going")
    follower = store.follow()
    head = runtime_of(store).head

    def add(waiter: Any) -> None:
        database.remove_store("going")
        Head.add(head, waiter)

    monkeypatch.setattr(head, "add", add)
    with pytest.raises(pyesdb.StoreRemoved):
        follower.get(SOON_S)


def test_followers_are_told_behind_the_commit(store: pyesdb.Store) -> None:
    """Who looks when he is told finds the event, whatever the leader does next."""
    runtime = runtime_of(store)
    found: list[int] = []

    class Looking:
        def wake(self) -> None:
            found.append(store.read_all().head)

    runtime.head.add(Looking())
    store.append("a", one())
    assert found == [1]


def test_a_head_never_goes_back() -> None:
    head = Head()
    head.committed(7)
    head.seen(5)
    head.committed(6)
    assert head.position == 7
    head.seen(9)
    head.committed(8)
    assert head.position == 9


def test_a_bell_wakes_each_waiter_once() -> None:
    bell, waiter = Bell(), SyncWaiter()
    bell.ring()
    bell.add(waiter)
    bell.ring()
    bell.ring()
    assert waiter.wait(0)
    assert not waiter.wait(0)
    bell.add(waiter)
    bell.discard(waiter)
    bell.ring()
    assert not waiter.wait(0)


class Failing:
    """One whose waking fails, as often as it is told to."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)

    def wake(self) -> None:
        if self.errors:
            raise self.errors.pop()


def test_a_ring_that_is_interrupted_forgets_nobody() -> None:
    """A signal handler's exception, raised in whoever rings: those behind it are woken, too."""
    bell, waiter = Bell(), SyncWaiter()
    bell.add(Failing(KeyboardInterrupt()))
    bell.add(waiter)
    with pytest.raises(KeyboardInterrupt):
        bell.ring()
    assert waiter.wait(0)


def test_the_trouble_of_one_who_waits_is_not_the_leaders(
    store: pyesdb.Store, caplog: pytest.LogCaptureFixture
) -> None:
    waiter = SyncWaiter()
    for one_of_them in (Failing(ValueError("broken")), waiter):
        runtime_of(store).head.add(one_of_them)
    assert store.append("a", one()).position == 1
    assert waiter.wait(0)
    assert "broken" in caplog.text


def test_a_leader_that_is_interrupted_behind_its_commit_leaves_nobody_asleep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a poller, that would find it: the directory is ours alone."""
    with pyesdb.open(tmp_path / "own", exclusive=True) as database:
        store = database.store()
        store.append("a", one())
        head = runtime_of(store).head

        def interrupted(_: int) -> None:
            monkeypatch.undo()
            raise KeyboardInterrupt

        def append() -> None:
            monkeypatch.setattr(head, "committed", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.append("a", one())

        (event,) = waiting(store.follow(after="end"), append)
        assert event is not None
        assert event.position == 2


def test_a_head_that_was_noted_and_not_told_is_told_by_the_next_who_sees_it() -> None:
    head, waiter = Head(), SyncWaiter()
    head.add(Failing(KeyboardInterrupt(), KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        head.seen(5)
    head.add(waiter)
    head.seen(5)
    assert waiter.wait(0)


# -- the cursor


def test_a_page_is_bounded(store: pyesdb.Store) -> None:
    for _ in range(5):
        store.append("a", new_events(1000))
    follow = Follow(runtime_of(store), 0, None, system=False)
    sizes = []
    while follow.behind:
        follow.fill()
        sizes.append(sum(1 for _ in iter(follow.take, None)))
    assert sum(sizes) == 5000
    assert max(sizes) <= 1024


@pytest.mark.parametrize("number", range(8))
def test_an_interrupted_read_passes_nothing_over(
    store: pyesdb.Store, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Raised before or behind the read of a piece, whichever piece it is."""
    for _ in range(3):
        store.append("a", new_events(1000))
    runtime = runtime_of(store)
    follow = Follow(runtime, 0, None, system=False)
    ask, calls = runtime.ask, iter(range(100))

    def interrupted(question: Any) -> Any:
        count = next(calls)
        found = ask(question) if number % 2 else None
        if count == number // 2:
            raise KeyboardInterrupt
        return ask(question) if found is None else found

    monkeypatch.setattr(runtime, "ask", interrupted)
    found: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        drained(follow, found)
    drained(follow, found)
    assert positions(found) == list(range(1, 3001))


def test_streams_of_the_system_are_left_out_unless_asked_for(database: pyesdb.Database) -> None:
    catalog = node_of(database).system
    follow = Follow(catalog, 0, None, system=False)
    assert drained(follow) == []
    assert follow.position == catalog.head.position > 0
    assert "StoreCreated" in [e.type for e in drained(Follow(catalog, 0, None, system=True))]


def test_a_rare_event_is_looked_for_in_short_reads(
    store: pyesdb.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyesdb.store.follow.BUDGET", 300)
    for _ in range(2):
        store.append("a", [*new_events(999), one("Rare")])
    follow = Follow(runtime_of(store), 0, select.event_type("Rare"), system=False)
    examined = []
    found = []
    while follow.behind:
        follow.fill()
        found += iter(follow.take, None)
        examined.append(follow.position)
    assert positions(found) == [1000, 2000]
    assert max(b - a for a, b in zip([0, *examined], examined, strict=False)) <= 300
    assert examined[-1] == 2000


def test_who_waits_keeps_no_page(store: pyesdb.Store) -> None:
    store.append("a", new_events(50))
    follower = store.follow()
    assert len(positions(iter(lambda: follower.get(0), None))) == 50
    assert len(follower._follow._page) == 0


def test_a_store_that_rests_in_the_middle_of_a_read(store: pyesdb.Store) -> None:
    """Nothing of a follower belongs to a connection, between its pages."""
    store.append("a", new_events(300))
    follower = store.follow(select.stream("a"))
    found = [next(follower) for _ in range(64)]
    let_rest(store)
    found += iter(lambda: follower.get(0), None)
    assert positions(found) == list(range(1, 301))


def test_lag_is_known_before_the_first_step(tmp_path: Path) -> None:
    with pyesdb.open(tmp_path / "data") as database:
        database.store().append("a", new_events(10))
    with pyesdb.open(tmp_path / "data") as database:
        early, late = database.store().follow(after=3), database.store().follow(after="end")
        assert (early.lag, early.caught_up) == (7, False)
        assert (late.lag, late.caught_up) == (0, True)


# -- many followers


def test_idle_followers_are_not_woken_and_hold_nothing(
    database: pyesdb.Database, store: pyesdb.Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fills = []
    fetch = Follow.fetch
    monkeypatch.setattr(Follow, "fetch", lambda follow: (fills.append(follow), fetch(follow))[1])
    store.append("a", one())

    async def main() -> None:
        async with await pyesdb.open_async(tmp_path / "data") as other:
            source = other.store()
            followers = [source.follow() for _ in range(1000)]
            for follower in followers:
                assert (await anext(follower)).position == 1
            tasks = [asyncio.create_task(anext(follower)) for follower in followers]
            while len(runtime_of(store).head.waiting) < 1000:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            fills.clear()
            before = threads()
            watched = node_of(database).poller._watched
            for _ in range(100):  # 100 looks of the poller, and nobody commits
                watched[runtime_of(store)].look(time.monotonic())
            await asyncio.sleep(0)
            assert fills == []
            await asyncio.to_thread(let_rest, store)
            while store_files(tmp_path / "data"):  # noqa: ASYNC110  (the poller may look now)
                await asyncio.sleep(0.001)
            assert threads() <= before
            await source.append("a", one())
            assert {(await task).position for task in tasks} == {2}
            assert len(fills) == 1000

    asyncio.run(main())


def test_followers_that_stand_still_are_in_nobodys_way(
    database: pyesdb.Database, store: pyesdb.Store
) -> None:
    """100 of 1,000 stop reading in the middle of a page: the log is moved into the file."""
    store.append("a", new_events(100))
    still = [store.follow() for _ in range(100)]
    followers = [store.follow(select.event_type("Happened")) for _ in range(900)] + still
    for follower in followers:
        next(follower)
    for _ in range(60):
        store.append("b", [NewEvent("B", {"text": "x" * 1000}) for _ in range(300)])
    for follower in followers[:900]:
        assert sum(1 for _ in iter(lambda: follower.get(0), None)) == 99  # noqa: B023
    runtime = runtime_of(store)
    assert len(runtime.outbox._queue) == 0
    assert runtime.head.waiting == {}
    connection = runtime.applier._connection
    pages, moved = connection.wal_checkpoint(mode=0)
    assert pages == moved
    assert [follower.position for follower in still] == [1] * 100
    assert sum(1 for _ in iter(lambda: still[0].get(0), None)) == 99 + 60 * 300


def test_a_follower_thread_beside_a_writer_sees_every_position(store: pyesdb.Store) -> None:
    follower = store.follow()
    found: list[int] = []

    def read() -> None:
        found.extend(event.position for event in follower)

    reading = threading.Thread(target=read)
    reading.start()
    for number in range(2000):
        store.append(f"s-{number % 7}", one())
    last = store.append("end", one()).position
    while len(found) < (last or 0) and reading.is_alive():
        time.sleep(0.001)
    follower.stop()
    reading.join()
    assert found == list(range(1, 2002))


# -- other processes

APPENDING = """
import sys, pyesdb
with pyesdb.open(sys.argv[1]) as db:
    for n in range(int(sys.argv[2])):
        db.store().append("there", pyesdb.NewEvent("There", {"n": n}))
"""
REMOVING = """
import sys, pyesdb
with pyesdb.open(sys.argv[1]) as db:
    db.remove_store("going")
"""


@pytest.mark.parametrize("selector", [None, select.stream("there")], ids=["all", "stream"])
def test_commits_of_another_process_are_followed(
    store: pyesdb.Store, tmp_path: Path, selector: Any
) -> None:
    follower = store.follow(selector)
    found: list[int] = []

    def read() -> None:
        found.extend(event.json()["n"] for _, event in zip(range(200), follower, strict=False))

    reading = threading.Thread(target=read)
    reading.start()
    output_of(APPENDING, str(tmp_path / "data"), "201")
    reading.join(SOON_S)
    follower.stop()
    assert found == list(range(200))


SLOW = """
import sys, time, apsw, pyesdb
from pyesdb.sqlite import files

files.load_vfs()
base, slow = files.VFS, False

class File(apsw.VFSFile):
    def xSync(self, flags):
        super().xSync(flags)
        time.sleep(0.3 * slow)

class Disk(apsw.VFS):
    def __init__(self):
        super().__init__("slow", base)
    def xOpen(self, name, flags):
        return File(base, name, flags)

disk = Disk()
with pyesdb.open(sys.argv[1]) as db:
    files.VFS = "slow"
    db.store().append("s", pyesdb.NewEvent("First"))
    sys.stdin.readline()
    slow = True
    db.store().append("s", pyesdb.NewEvent("Second"))
    slow = False
    sys.stdin.readline()
"""


def test_a_commit_that_is_seen_long_after_it_was_written_is_followed(tmp_path: Path) -> None:
    """The log is written, then synced, and its commit is to be seen when that has ended."""
    data = tmp_path / "synced"
    with (
        pyesdb.open(data) as database,
        subprocess.Popen(
            [sys.executable, "-c", SLOW, str(data)], stdin=subprocess.PIPE, text=True
        ) as writer,
    ):
        assert writer.stdin is not None
        follower = database.store().follow()
        first = follower.get(SOON_S)
        found = waiting(follower, lambda: print("on", file=writer.stdin, flush=True))
        writer.stdin.close()
    assert first is not None
    assert [event and event.type for event in found] == ["Second"]
    assert writer.returncode == 0


def test_who_never_waits_sees_the_commits_of_others_too(
    store: pyesdb.Store, tmp_path: Path
) -> None:
    follower = store.follow()
    assert follower.get(0) is None
    output_of(APPENDING, str(tmp_path / "data"), "3")
    assert positions(iter(lambda: follower.get(0), None)) == [1, 2, 3]

    async def main() -> None:
        async with await pyesdb.open_async(tmp_path / "data") as database:
            other = database.store().follow(after="end")
            assert await other.get(0) is None
            await asyncio.to_thread(output_of, APPENDING, str(tmp_path / "data"), "1")
            event = await other.get(0)
            assert event is not None
            assert event.position == 4

    asyncio.run(main())


def test_a_file_that_is_lost_is_told_to_who_waits(
    database: pyesdb.Database, tmp_path: Path
) -> None:
    store = database.create_store("going")
    store.append("a", one())
    follower = store.follow(after="end")
    path = runtime_of(store).path
    ended = waiting(follower, lambda: path.rename(tmp_path / "elsewhere"))
    assert [type(error) for error in ended] == [pyesdb.StoreFailed]
    (tmp_path / "elsewhere").rename(path)
    store.append("a", one())
    assert positions(taken(follower, 1)) == [2]


def test_a_removal_in_another_process_ends_a_follower(
    database: pyesdb.Database, tmp_path: Path
) -> None:
    follower = database.create_store("going").follow()
    ended: list[BaseException] = []

    def read() -> None:
        try:
            follower.get(SOON_S)
        except pyesdb.PyesdbError as error:
            ended.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    output_of(REMOVING, str(tmp_path / "data"))
    reading.join()
    assert [type(error) for error in ended] == [pyesdb.StoreRemoved]


def test_who_has_the_directory_alone_polls_nothing(tmp_path: Path) -> None:
    with pyesdb.open(tmp_path / "own", exclusive=True) as database:
        runtime_of(database.store()).head.add(SyncWaiter())
        assert "pyesdb-poll" not in [thread.name for thread in threading.enumerate()]


def test_a_removal_is_told_without_a_poller(tmp_path: Path) -> None:
    with pyesdb.open(tmp_path / "own", exclusive=True) as database:
        follower = database.create_store("going").follow()
        head = runtime_of(database.store("going")).head
        ended: list[BaseException] = []

        def read() -> None:
            try:
                follower.get(SOON_S)
            except pyesdb.PyesdbError as error:
                ended.append(error)

        reading = threading.Thread(target=read)
        reading.start()
        while not head.waiting:
            time.sleep(0.001)
        database.remove_store("going")
        reading.join(SOON_S / 2)
        assert [type(error) for error in ended] == [pyesdb.StoreRemoved]
        follower.stop()


def test_a_store_at_rest_rests_again_behind_a_look(store: pyesdb.Store, tmp_path: Path) -> None:
    store.append("a", one())
    watched = poller.Watched(runtime_of(store), 0.0)
    watched.look(0.0)
    assert store_files(tmp_path / "data") != []
    let_rest(store)
    watched.look(0.0)
    assert store_files(tmp_path / "data") == []


def test_a_store_that_came_to_rest_within_a_look_rests_behind_it(
    store: pyesdb.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("a", one())
    runtime = runtime_of(store)
    watched = poller.Watched(runtime, 0.0)
    real = runtime.look

    def look() -> None:
        let_rest(store)
        real()

    monkeypatch.setattr(runtime, "look", look)
    watched.look(0.0)
    assert store_files(tmp_path / "data") == []
    monkeypatch.undo()
    assert list(store.read("a"))
    watched.look(0.0)
    assert store_files(tmp_path / "data") != []  # it is in use again


class Told:
    """A store as the poller sees it."""

    resting = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.looks = 0
        self.watched = True
        self.ended = None
        self.while_looking: Any = lambda: None

    def look(self) -> None:
        self.looks += 1
        self.while_looking()

    def doubt(self) -> None:
        raise AssertionError


@pytest.fixture
def told(tmp_path: Path) -> Told:
    (tmp_path / "file").write_bytes(b"")
    return Told(tmp_path / "file")


def log_of(told: Told) -> Path:
    return Path(f"{told.path}-wal")


def test_the_poller_asks_for_a_second_behind_a_change_and_then_more_and_more_seldom(
    told: Told,
) -> None:
    """A commit may be seen long after it was written; and two writes may leave one stamp."""
    watched = poller.Watched(told, 0.0)  # type: ignore[arg-type]
    asked = []
    for number in range(400):
        if number == 100:
            log_of(told).write_bytes(b"x")
        before = told.looks
        watched.look(0.0)
        if told.looks > before:
            asked.append(number)
    assert asked == [*range(50), 64, *range(100, 150), 164, 228, 356]


def test_what_is_written_while_the_poller_asks_is_asked_for_again(told: Told) -> None:
    watched = poller.Watched(told, 0.0)  # type: ignore[arg-type]
    told.while_looking = lambda: log_of(told).write_bytes(b"y")
    watched.look(0.0)
    told.while_looking = lambda: None
    watched.quiet = poller.QUIET + 1  # as if it had been at rest for long
    watched.look(0.0)
    assert told.looks == 2


def test_the_poller_looks_less_often_at_a_store_at_rest(told: Told) -> None:
    watched = poller.Watched(told, 0.0)  # type: ignore[arg-type]
    now, dues = 0.0, []
    for _ in range(120):
        watched.look(now)
        dues.append(watched.due - now)
    assert max(dues[:40]) == pytest.approx(poller.OFTEN_S)
    assert min(dues[60:]) == pytest.approx(poller.SELDOM_S)
    log_of(told).write_bytes(b"z")
    watched.look(now)
    assert watched.due - now == pytest.approx(poller.OFTEN_S)


def test_the_poller_forgets_a_store_for_which_nobody_waits(told: Told) -> None:
    found = poller.Poller(needed=True)
    found._stopped = True  # no thread: the test looks by itself
    watched = poller.Watched(told, 0.0)  # type: ignore[arg-type]
    found._watched[told] = watched  # type: ignore[index]
    found._stopped = False
    told.watched = False
    for _ in range(poller.QUIET + 1):
        found.look(watched.due)
    assert found._watched == {}


def test_the_poller_of_a_closed_node_is_gone(tmp_path: Path) -> None:
    with pyesdb.open(tmp_path / "own") as database:
        runtime_of(database.store()).head.add(SyncWaiter())
        assert "pyesdb-poll" in [thread.name for thread in threading.enumerate()]
    assert "pyesdb-poll" not in [thread.name for thread in threading.enumerate()]


def test_a_poller_that_gets_no_thread_says_so_and_is_started_by_the_next_one(
    store: pyesdb.Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    follower = store.follow()

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(pyesdb.Unavailable, match="thread"):
        follower.get(SOON_S)
    assert runtime_of(store).head.waiting == {}
    monkeypatch.undo()
    found = waiting(follower, lambda: output_of(APPENDING, str(tmp_path / "data"), "1"))
    assert None not in found


def test_a_poller_stays_when_the_main_thread_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other one may be had for who waits next."""
    monkeypatch.setattr(poller, "LINGER_S", 0.0)
    looking = poller.Poller(needed=True)
    assert not looking._look_and_wait()
    ended = threading.Thread(target=int)
    ended.start()
    ended.join()
    monkeypatch.setattr(threading, "main_thread", lambda: ended)
    assert looking._look_and_wait()
    looking.stop()
    assert not looking._look_and_wait()


def test_an_error_of_a_look_reaches_who_waits(told: Told) -> None:
    rung = []

    def fails() -> None:
        raise pyesdb.StoreFailed("broken")

    told.while_looking, told.doubt = fails, lambda: rung.append(1)  # type: ignore[method-assign]
    poller.Watched(told, 0.0).look(0.0)  # type: ignore[arg-type]
    assert rung == [1]
