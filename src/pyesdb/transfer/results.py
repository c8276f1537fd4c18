"""What transfers return."""

import msgspec


class ExportResult(msgspec.Struct, frozen=True):
    """What an export wrote: `events` in `bytes` (before compression), with their BLAKE2b digest.

    `head` is the position up to which the store was examined: `after=` of the next export.
    """

    events: int
    bytes: int
    digest: str
    head: int
    source: str


class ImportResult(msgspec.Struct, frozen=True):
    """What an import or copy did.

    `events` were stored now, `skipped` by earlier runs of the same source; `duplicates` stood at
    the end of their streams already, with the same ids. `position` is the cursor that the target
    keeps for `source`: a position of the source store, or a line number.
    """

    source: str
    events: int
    skipped: int
    duplicates: int
    position: int
