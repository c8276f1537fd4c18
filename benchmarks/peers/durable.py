"""What makes `eventsourcing` on SQLite durable. No imports: `benchmarks.start` would pay."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def make_durable(pool: "Any") -> None:
    """Set synchronous=FULL on each connection that the pool makes."""
    plain = pool._create_connection

    def durable() -> "Any":
        connection = plain()
        connection.cursor().execute("PRAGMA synchronous=FULL")
        return connection

    pool._create_connection = durable
