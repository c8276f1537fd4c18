"""What a store file says, whatever its pages look like: every table in a fixed order, hashed."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any


def tables(connection: Any) -> list[str]:
    found = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "ORDER BY name"
    ).fetchall()
    return [name for (name,) in found]


def rows(connection: Any, table: str) -> list[tuple[Any, ...]]:
    """All rows of a table, in an order that no page or index decides."""
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    order = ", ".join(str(n + 1) for n in range(len(columns)))
    return connection.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()


def dump(connection: Any) -> list[str]:
    """Every row of every table, as text."""
    return [f"{table} {row!r}" for table in tables(connection) for row in rows(connection, table)]


def logical_digest(connection: Any) -> dict[str, str]:
    """A digest over each table."""
    found: dict[str, str] = {}
    for table in tables(connection):
        hashed = blake2b(digest_size=16)
        for row in rows(connection, table):
            hashed.update(repr(row).encode("utf-8", "surrogatepass"))
            hashed.update(b"\n")
        found[table] = hashed.hexdigest()
    return found
