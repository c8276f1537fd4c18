"""Running many stores: clean-up policies, backups of all of them with rotation, `doctor`, the
catalog.

Built on the public surface (`import pyesdb`), like a program of yours; synchronous. From asyncio:
`await asyncio.to_thread(back_up, db, directory)`.
"""

from pyesdb.operations.backups import BackedUp, back_up, backups_in
from pyesdb.operations.catalog import Rebuilt, rebuild_catalog, verify_catalog
from pyesdb.operations.cleanup import Cleaned, CleanUp, clean_up
from pyesdb.operations.diagnosis import Diagnosis, Finding
from pyesdb.operations.doctor import doctor
from pyesdb.operations.schedule import every

__all__ = [
    "BackedUp",
    "CleanUp",
    "Cleaned",
    "Diagnosis",
    "Finding",
    "Rebuilt",
    "back_up",
    "backups_in",
    "clean_up",
    "doctor",
    "every",
    "rebuild_catalog",
    "verify_catalog",
]
