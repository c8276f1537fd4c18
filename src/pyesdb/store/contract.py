"""What a store needs of a log (LiteFS's habit: the interface belongs to its consumer)."""

from collections.abc import Callable, Sequence
from typing import Protocol

from pyesdb.model.commands import Command, Entry


class Log(Protocol):
    """Orders commands. Entries are delivered in order, contiguous, at least once."""

    def start(self, deliver: Callable[[Sequence[Entry]], None]) -> None:
        """Deliver entries to `deliver`, from `applied + 1`."""
        ...

    def propose(self, commands: list[Command]) -> None:
        """Put commands into the log; their outcomes come with the delivery."""
        ...

    def barrier(self) -> int:
        """The number of an entry behind everything proposed so far, once it is applied."""
        ...

    def close(self) -> None:
        """Stop delivering."""
        ...
