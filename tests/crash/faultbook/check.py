"""After a fault, in a fresh process: every acknowledged event there exactly once, and no other."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyesdb


def check(directory: Path) -> dict[str, Any]:
    """{"lost": events that were acknowledged and are not as they were, "wrong": [what else]}."""
    books = [json.loads(line) for line in (directory / "ledger").read_text().splitlines()]
    lost, wrong = 0, []
    with pyesdb.open(directory / "data", create=False) as db:
        stores = sorted({book["store"] for book in books})
        for store in stores:
            mine = [book for book in books if book["store"] == store and "n" in book]
            missing, problems = _compare(db.store(store), mine)
            lost += missing
            wrong += [f"{store}: {problem}" for problem in problems]
            wrong += [f"{store}: {p.where}: {p.what}" for p in db.store(store).verify().problems]
        wrong += _disk(db, directory / "data", stores)
    return {"lost": lost, "wrong": wrong}


def _compare(store: Any, books: list[dict[str, Any]]) -> tuple[int, list[str]]:
    found: dict[int, list[Any]] = {}
    events = store.read_all().to_list()
    for event in events:
        found.setdefault(event.json()["n"], []).append(event)
    wrong, lost = [], 0
    if [event.position for event in events] != list(range(1, len(events) + 1)):
        wrong.append("positions have gaps")
    if any(a.created > b.created for a, b in pairwise(events)):
        wrong.append("`created` decreases")
    known = {n for book in books if book["kind"] == "acknowledged" for n in book["n"]}
    for book in books:
        there = [n for n in book["n"] if n in found]
        if book["kind"] == "acknowledged":
            lost += sum(
                not _as_acknowledged(found.get(n, []), book, i) for i, n in enumerate(book["n"])
            )
        elif book["kind"] == "refused" and there:
            wrong.append(f"{there} are stored, and the user was told that nothing was")
        elif book["kind"] in ("begun", "unknown"):
            if there and there != book["n"]:
                wrong.append(f"of a batch only {there}")
            known.update(book["n"])
    wrong += [f"{n} is there {len(them)} times" for n, them in found.items() if len(them) > 1]
    wrong += [f"{n} was never appended" for n in found if n not in known]
    return lost, wrong


def _as_acknowledged(events: list[Any], book: dict[str, Any], index: int) -> bool:
    if len(events) != 1:
        return False
    event = events[0]
    return (event.stream, event.version, event.position) == (
        book["stream"], book["version"] + index, book["position"] + index
    )  # fmt: skip


def _disk(db: Any, data: Path, stores: list[str]) -> list[str]:
    """The catalog and the disk say the same."""
    listed = {name: str(info.status) for name, info in db.list_stores().items()}
    folders = {path.name for path in (data / "stores").iterdir()}
    wrong = [f"{name} is {status}" for name, status in listed.items() if status != "running"]
    if missing := set(stores) - set(listed):
        wrong.append(f"not in the catalog: {sorted(missing)}")
    if folders != {*listed, "$system"}:
        wrong.append(f"stores/ holds {sorted(folders)}, the catalog {sorted(listed)}")
    if len(list((data / "trash").iterdir())) != len(db.trash()):
        wrong.append("the trash is not what the catalog says")
    if any((data / "drafts").iterdir()):
        wrong.append("a draft is left")
    return wrong
