"""Tests of code that uses pyesdb: given/when/then for deciders, a frozen clock.

Nothing here is imported by the rest of the package. The fixtures for pytest stand in the module
`pyesdb_pytest`, which pytest finds by itself.
"""

from pyesdb.testing.clock import FrozenClock, frozen_clock
from pyesdb.testing.given import Given, When, given

__all__ = ["FrozenClock", "Given", "When", "frozen_clock", "given"]
