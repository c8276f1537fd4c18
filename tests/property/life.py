"""What API "Stores" says of the life of stores, with dicts; and what a process sees of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyesdb
from pyesdb import NewEvent

__all__ = ["Life", "Model", "NewEvent", "RefusedError", "in_trash", "seen", "told"]


class RefusedError(Exception):
    """The code of an error that the library raises."""


class Life:
    """One history: what the model knows of a store, in the trash or not."""

    def __init__(self, settings: dict[str, Any], template: str | None) -> None:
        self.settings = settings
        self.template = template
        self.frozen = False
        self.events = 0
        self.incarnation = 0


class Model:
    """What API "Stores" says."""

    def __init__(self) -> None:
        self.stores: dict[str, Life] = {}
        self.trash: list[tuple[str, Life]] = []
        self.templates: dict[str, dict[str, Any]] = {}
        self.removed_templates: dict[str, dict[str, Any]] = {}
        self.kept: dict[tuple[int, str], Life] = {}

    def there(self, id: str) -> Life:
        if id not in self.stores:
            raise RefusedError("store_not_found")
        return self.stores[id]

    def maximum(self, life: Life) -> tuple[int | None, str]:
        if "max_events" in life.settings:
            return life.settings["max_events"], "store"
        known = self.removed_templates | self.templates
        shared = known.get(life.template or "", {})
        if "max_events" in shared:
            return shared["max_events"], "template"
        return None, "default"

    def create(self, id: str, template: str | None, settings: dict[str, Any]) -> str:
        if template is not None and template not in self.templates:
            raise RefusedError("invalid_config")
        if id in self.stores:
            raise RefusedError("store_already_exists")
        self.stores[id] = Life(dict(settings), template)
        return id

    def remove(self, id: str, purge: bool) -> None:
        if id in self.stores:
            gone = self.stores.pop(id)
            if not purge and gone.settings.get("trash_keep") != 0:
                self.trash.append((id, gone))
            return
        left = [found for found in self.trash if found[0] != id]
        if not purge or left == self.trash:
            raise RefusedError("store_not_found")
        self.trash = left

    def recover(self, id: str, target: str) -> str:
        mine = [found for found in self.trash if found[0] == id]
        if target in self.stores or (not mine and id in self.stores):
            raise RefusedError("store_already_exists")
        if not mine:
            raise RefusedError("store_not_found")
        self.trash.remove(mine[-1])
        self.stores[target] = mine[-1][1]
        return target

    def update(self, id: str, settings: dict[str, Any]) -> int | None:
        life = self.there(id)
        changed = life.settings | settings
        life.settings = {name: value for name, value in changed.items() if value is not None}
        return self.maximum(life)[0]

    def freeze(self, id: str, frozen: bool) -> None:
        self.there(id).frozen = frozen

    def save_template(self, name: str, settings: dict[str, Any]) -> None:
        self.templates[name] = settings
        self.removed_templates.pop(name, None)

    def remove_template(self, name: str) -> None:
        if name not in self.templates:
            raise RefusedError("invalid_config")
        self.removed_templates[name] = self.templates.pop(name)

    def append(self, who: int, id: str, kept: bool) -> int:
        life, bound = self.stores.get(id), self.kept.get((who, id))
        if kept and bound is not None and bound is not life:
            raise RefusedError("store_removed")
        life = self.there(id)
        if kept:
            self.kept[who, id] = life
        if life.frozen:
            raise RefusedError("store_frozen")
        most = self.maximum(life)[0]
        if most is not None and life.events >= most:
            raise RefusedError("limit_exceeded")
        life.events += 1
        return life.events - 1


def told(call: Callable[[], Any]) -> str:
    """The answer of a call, or the code of its error."""
    try:
        return repr(call())
    except pyesdb.PyesdbError as error:
        return error.code


def seen(db: pyesdb.Database) -> dict[str, Any]:
    """The stores, as the catalog and get_store_config tell them."""
    return {
        id: (
            str(info.status),
            info.template,
            info.incarnation,
            info.config.max_events,
            info.config.origin("max_events"),
        )
        for id, info in db.list_stores().items()
        if id != "default"
    }


def in_trash(db: pyesdb.Database) -> list[tuple[str, int]]:
    return [(found.store_id, found.incarnation) for found in db.trash()]
