"""How far a projection has come."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProjectionStatus:
    """What the read model's checkpoint says, beside the head of the store.

    `position` is the last position examined, selected or not; `lag` how many positions the store
    has behind it; `owner` who ran the projection last.
    """

    name: str
    store: str
    position: int
    head: int
    owner: str

    @property
    def lag(self) -> int:
        """Positions of the store that have not been examined yet."""
        return max(0, self.head - self.position)
