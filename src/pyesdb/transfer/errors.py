"""What can be wrong with a transfer, beyond what any append or read raises."""

import pyesdb


class InvalidExport(pyesdb.Fault):
    """A file of events is damaged, or is none: what came before that line is stored."""

    file: str
    line: int
    stored: int = 0
    source: str = ""

    def after_storing(self, stored: int, source: str) -> None:
        """Say what this import had stored before it met the trouble."""
        self.stored, self.source = stored, source
        text = (
            f"{self}; {stored:,} events before it were stored now: import the mended file again, "
            f"and it goes on after them (source {source!r})"
        )
        self.args = (text,)


class TruncatedExport(InvalidExport):
    """A file of events ends before its end: what is there is stored, the rest is missing."""


class SourceConflict(pyesdb.ConflictError):
    """This source name was used for other events: nothing of them may be skipped silently."""

    source: str
    position: int
