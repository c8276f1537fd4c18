"""What can go wrong in a projection, beyond what `import pyesdb` has an error for."""

import pyesdb


class HandlerFailed(pyesdb.Fault):
    """A handler raised: its transaction was rolled back, and the checkpoint is where it was."""

    projection: str
    store: str
    event: pyesdb.RecordedEvent
    position: int


def handler_failed(
    projection: str, event: pyesdb.RecordedEvent, error: BaseException, hint: str
) -> HandlerFailed:
    """The error of one event; its cause is what the handler raised."""
    where = f"event {event.position} ({event.type}, {event.stream!r} version {event.version})"
    said = f"{type(error).__name__}: {error}"
    return HandlerFailed(
        f"projection {projection!r} failed at {where} of store {event.store!r}: {said}"
        f"{f' ({hint})' if hint else ''}; its transaction was rolled back and the checkpoint is "
        "where it was: mend the handler and run it again",
        projection=projection,
        store=event.store,
        event=event,
        position=event.position,
    )
