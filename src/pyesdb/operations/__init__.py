"""Running many stores: `doctor`.

Built on the public surface (`import pyesdb`), like a program of yours; synchronous.
"""

from pyesdb.operations.diagnosis import Diagnosis, Finding
from pyesdb.operations.doctor import doctor

__all__ = ["Diagnosis", "Finding", "doctor"]
