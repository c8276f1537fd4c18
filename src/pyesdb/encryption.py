"""Encryption of stores at rest: new keys, and what this installation can do.

Keys are given to `pyesdb.open(config={"encryption": {...}})`; see docs/howto/encryption.md. What
must never happen here: a key that is kept or shown.
"""

from pyesdb.model.keys import new_key
from pyesdb.sqlite.cipher import available, remedy

__all__ = ["available", "new_key", "remedy"]
