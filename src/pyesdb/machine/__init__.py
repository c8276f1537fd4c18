"""The deterministic core: `apply(tx, entry) -> outcomes`. See DESIGN.md.

It reads nothing but the store's file and the entry: no clock, chance, environment, network, thread.
"""

from pyesdb.machine.apply import apply
from pyesdb.machine.transaction import Tx

__all__ = ["Tx", "apply"]
