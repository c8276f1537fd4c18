"""Events in and out: export to files, import from them, copy between stores.

Built on the public surface alone (`import pyesdb`), like a program of yours. Everything here is
synchronous; from asyncio: `await asyncio.to_thread(import_events, store, path)`.
"""

from pyesdb.transfer.copying import copy_events
from pyesdb.transfer.errors import InvalidExport, SourceConflict, TruncatedExport
from pyesdb.transfer.exporting import export_events
from pyesdb.transfer.importing import import_events
from pyesdb.transfer.results import ExportResult, ImportResult

__all__ = [
    "ExportResult",
    "ImportResult",
    "InvalidExport",
    "SourceConflict",
    "TruncatedExport",
    "copy_events",
    "export_events",
    "import_events",
]
