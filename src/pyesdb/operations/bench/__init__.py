"""`measure`: how fast stores are on this disk, beside the limit of SQLite and of the disk itself.

The work, the callers and the turns are those of `benchmarks/` in the repository.
"""

from pyesdb.operations.bench.findings import SYNC, Bench, Measured, rough, verdict
from pyesdb.operations.bench.run import measure

__all__ = ["SYNC", "Bench", "Measured", "measure", "rough", "verdict"]
