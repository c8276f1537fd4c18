"""Processes that are started, killed with SIGKILL at random moments, and started again."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pyesdb
from pyesdb import select
from tests.crash.consumers import check, roles

CAST = ("produce", "produce", "consume", "consume", "consume", "project", "project")
ACK_TIMEOUT_S = 4.0
"""So long what a killed consumer held is kept from others; longer than any pause of a live one."""
WINDOW = 100
LONGEST_DRAIN_S = 100.0
KILLS = 15
"""So many at least: on a busy machine that takes longer, up to"""
LONGEST_START_S = 60.0


@dataclass
class Report:
    """What happened."""

    seed: int
    kills: int
    stored: int
    acknowledged: int
    deliveries: int
    handled: int
    problems: list[str]

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.kills} kills, {self.acknowledged} of {self.stored} events "
            f"acknowledged, {self.deliveries} deliveries, {self.handled} events handled, "
            f"{len(self.problems)} problems"
        )


class Lab:
    """One database, its processes, and the folder in which they say what they do."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.data, self.outside = folder / "data", folder / "outside"
        self.outside.mkdir()
        self.seed = seed
        self._chance = random.Random(seed)
        self._children: list[subprocess.Popen[bytes]] = []
        self.kills = 0
        self.problems: list[str] = []

    def run(self, seconds: float) -> Report:
        """Kill and start for so long; then handle what is left, and compare."""
        with pyesdb.open(self.data, durability="os") as database:
            store = database.store()
            store.save_subscription(
                roles.SUBSCRIPTION,
                select.everything,
                ack_timeout=ACK_TIMEOUT_S,
                window=WINDOW,
                max_retries=1000,
            )
            try:
                self._children = [self._start(role) for role in CAST]
                self._kill_until(time.monotonic() + seconds, store)
            finally:
                self._stop()
            self._drain(store)
            return self._report(store)

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        words = [role, str(self.data), str(self.outside), str(self._chance.random())]
        with (self.outside / f"stderr-{role}").open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.crash.consumers.roles", *words], stderr=errors
            )

    def _kill_until(self, end: float, store: pyesdb.Store) -> None:
        latest = end + LONGEST_START_S
        while time.monotonic() < end or (self.kills < KILLS and time.monotonic() < latest):
            time.sleep(self._chance.random() * 0.4)
            info = store.subscription_info(roles.SUBSCRIPTION)
            if info.in_flight > WINDOW:
                self.problems.append(f"{info.in_flight} in flight, the window is {WINDOW}")
            number = self._chance.randrange(len(CAST))
            victim = self._children[number]
            if not self._works(victim) and self._chance.random() < 0.9:
                continue  # most are killed at work, some while they start
            if victim.poll() is not None:
                self.problems.append(f"{CAST[number]} ended by itself with {victim.returncode}")
            victim.kill()
            victim.wait()
            self.kills += 1
            self._children[number] = self._start(CAST[number])

    def _works(self, child: subprocess.Popen[bytes]) -> bool:
        """Whether it has said anything."""
        return any(path.stat().st_size for path in self.outside.glob(f"*-{child.pid}-*"))

    def _stop(self) -> None:
        for child in self._children:
            child.kill()
        for child in self._children:
            child.wait()

    def _drain(self, store: pyesdb.Store) -> None:
        """Handle what is left, in this process; leases of the killed must run out first."""
        said = roles.Said(self.outside, "consumed")
        end = time.monotonic() + LONGEST_DRAIN_S
        with store.consume(roles.SUBSCRIPTION) as consumer:
            while time.monotonic() < end:
                event = consumer.get(timeout=0.2)
                if event is None:
                    info = store.subscription_info(roles.SUBSCRIPTION)
                    if info.lag == info.in_flight == 0 and consumer.get(timeout=0) is None:
                        break
                    continue
                said("began", event.position, event.stream, event.version, time.monotonic_ns())
                said("ended", event.position, time.monotonic_ns())
                consumer.ack(event)
            consumer.flush()
        roles.totals.catch_up(store, self.outside / roles.READ_MODEL)

    def _report(self, store: pyesdb.Store) -> Report:
        lines = check.said(self.outside)
        done = check.handled(lines)
        told = sum(int(last) - int(first) + 1 for first, last in lines["told"])
        return Report(
            self.seed,
            self.kills,
            store.stats().events,
            told,
            sum(len(one.began) for one in done.values()),
            sum(1 for one in done.values() if one.ended),
            self.problems + check.problems(store, self.outside, self.outside / roles.READ_MODEL),
        )
