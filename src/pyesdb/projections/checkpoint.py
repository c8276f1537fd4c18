"""The row that says how far a projection has come, in the read model itself.

It is read and written in transactions of the caller, never in one of its own: how far a projection
has come and what its handlers did must be one fact. `owner` fences: whoever starts writes its own
mark, so a projector that lost its lock without noticing it changes nothing any more.
"""

from dataclasses import dataclass

import pyesdb
from pyesdb.projections.readmodel import ReadModel

TABLE = "pyesdb_checkpoint"

_CREATE = f"""
CREATE TABLE {TABLE} (
    name TEXT NOT NULL,
    store TEXT NOT NULL,
    incarnation BIGINT NOT NULL,
    created TEXT NOT NULL,
    position BIGINT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (name, store)
)"""
_READ = f"""
SELECT incarnation, created, position, owner FROM {TABLE}
WHERE name = :name AND store = :store"""
_INSERT = f"""
INSERT INTO {TABLE} (name, store, incarnation, created, position, owner)
VALUES (:name, :store, :incarnation, :created, 0, :owner)"""
_TAKE = f"""
UPDATE {TABLE} SET owner = :owner
WHERE name = :name AND store = :store"""
_CLAIM = f"""
UPDATE {TABLE} SET owner = :owner
WHERE name = :name AND store = :store AND owner = :owner AND position = :position"""
_ADVANCE = f"""
UPDATE {TABLE} SET incarnation = :incarnation, created = :created, position = :after
WHERE name = :name AND store = :store AND owner = :owner AND position = :position"""


@dataclass(frozen=True)
class History:
    """Which history a position belongs to.

    Incarnations count within one database, so two databases may use the same number: the moment of
    creation tells them apart.
    """

    incarnation: int
    created: str


@dataclass(frozen=True)
class Mark:
    """What the row says."""

    history: History
    position: int
    owner: str


class Checkpoint:
    """The row of one projection of one store, on behalf of one owner."""

    def __init__(self, model: ReadModel, name: str, store: str, owner: str) -> None:
        self._model = model
        self._key = {"name": name, "store": store}
        self.owner = owner

    async def read(self) -> Mark | None:
        """The row, or None."""
        if await self._model.fetch(self._model.dialect.has_table) is None:
            return None
        row = await self._model.fetch(_READ, **self._key)
        return None if row is None else Mark(History(row[0], row[1]), row[2], row[3])

    async def make_table(self) -> None:
        """The table, unless it is there."""
        model = self._model
        if await model.fetch(model.dialect.has_table) is None:
            if model.dialect.before_table:
                await model.fetch(model.dialect.before_table)
            if await model.fetch(model.dialect.has_table) is None:
                await model.execute(_CREATE)

    async def take(self, history: History, found: Mark | None) -> None:
        """Make the row this owner's: a new one stands at 0."""
        if found is None:
            await self._model.execute(
                _INSERT,
                **self._key,
                owner=self.owner,
                incarnation=history.incarnation,
                created=history.created,
            )
        else:
            await self._model.execute(_TAKE, **self._key, owner=self.owner)

    async def claim(self, position: int) -> None:
        """Lock the row for this transaction, if it is still ours and there; ProjectionBusy."""
        values = {"owner": self.owner, "position": position}
        if await self._model.execute(_CLAIM, **self._key, **values) != 1:
            raise self.busy("it was taken over while this one was at work")

    async def advance(self, position: int, after: int, history: History) -> None:
        """Write how far the effects of this transaction go; raises ProjectionBusy."""
        changed = await self._model.execute(
            _ADVANCE,
            **self._key,
            owner=self.owner,
            position=position,
            after=after,
            incarnation=history.incarnation,
            created=history.created,
        )
        if changed != 1:
            raise self.busy("its checkpoint changed under it")

    async def count(self) -> int:
        """Stores that feed this projection in this read model."""
        row = await self._model.fetch(
            f"SELECT count(*) FROM {TABLE} WHERE name = :name", name=self._key["name"]
        )
        return 0 if row is None else int(row[0])

    def busy(self, why: str, owner: str = "") -> pyesdb.ProjectionBusy:
        """The error of somebody else at work."""
        by = f" (the last that started is {owner})" if owner else ""
        return pyesdb.ProjectionBusy(
            f"projection {self._key['name']!r} of store {self._key['store']!r}: {why}{by}; "
            "leave it to the other one, or stop that first",
            projection=self._key["name"],
            store=self._key["store"],
        )
