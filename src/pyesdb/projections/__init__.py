"""Projections: read models that follow a store, each event with effect exactly once.

    from pyesdb.projections import Projection

    delays = Projection("delays")

    @delays.setup
    def table(tx):
        tx.execute("CREATE TABLE IF NOT EXISTS delays (airline TEXT PRIMARY KEY, minutes INTEGER)")

    @delays.on("FlightArrived")
    def arrived(tx, event):
        tx.execute("INSERT INTO delays ...")

    delays.run(store, "delays.db")

The read model is SQLite (a path or a `sqlite3.Connection`), PostgreSQL (psycopg 3) or what
SQLAlchemy Core reaches of the two; `AsyncProjection` is the asynchronous half. How far a projection
has come stands in the read model and is written in the transaction of the handlers. Built on the
public surface alone (`import pyesdb`), like a program of yours.
"""

from typing import TYPE_CHECKING
from typing import Any as _Any

from pyesdb.projections.errors import HandlerFailed
from pyesdb.projections.projection import Projection, Projector
from pyesdb.projections.status import ProjectionStatus

if TYPE_CHECKING:
    from pyesdb.projections.aio import AsyncProjection, AsyncProjector

_LATER = ("AsyncProjection", "AsyncProjector")
"""They need asyncio, and are loaded when first asked for."""


if not TYPE_CHECKING:  # else a misspelt name would be of any type

    def __getattr__(name: str) -> _Any:
        if name not in _LATER:
            raise AttributeError(f"module 'pyesdb.projections' has no attribute {name!r}")
        from pyesdb.projections import aio

        return getattr(aio, name)


del TYPE_CHECKING

__all__ = [
    "AsyncProjection",
    "AsyncProjector",
    "HandlerFailed",
    "Projection",
    "ProjectionStatus",
    "Projector",
]
