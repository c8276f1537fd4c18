"""Snapshots: kept per stream, source and version; they never outlive what they summarise."""

from pyesdb.machine.refusals import deleted, not_found, refuse, tombstoned
from pyesdb.machine.state import DELETED, TOMBSTONED
from pyesdb.machine.transaction import Tx
from pyesdb.model.commands import DeleteSnapshot, RecordSnapshot
from pyesdb.model.outcomes import Done, Refused


def record(tx: Tx, command: RecordSnapshot) -> Done | Refused:
    """Keep a snapshot; the same again changes nothing, other content is a conflict."""
    stream = tx.stream(command.stream)
    if stream is None:
        return not_found(command.stream)
    if stream.state == TOMBSTONED:
        return tombstoned(command.stream)
    if stream.state == DELETED:
        return deleted(command.stream)
    if command.version > stream.last:
        return refuse(
            "request_error",
            f"stream {command.stream!r} ends at version {stream.last}: "
            f"a snapshot at {command.version} is beyond it",
        )
    key = (command.stream, command.source, command.version)
    content = (command.content_type, command.data, command.metadata)
    found = tx.all("snapshot", *key)
    if found:
        if found[0][:3] == content:
            return Done(found[0][3])
        return refuse(
            "snapshot_conflict",
            f"another snapshot of {command.stream!r} by {command.source!r} stands at version "
            f"{command.version}: delete it first",
        )
    tx.run(
        "add_snapshot",
        command.source,
        command.stream,
        command.version,
        tx.now,
        *content,
    )
    if tx.settings.snapshots_keep:
        keep = tx.settings.snapshots_keep - 1
        tx.run("trim_snapshots", command.stream, command.source, keep)
    return Done(tx.now)


def delete(tx: Tx, command: DeleteSnapshot) -> Done | Refused:
    """Forget one snapshot, or all of a source and stream."""
    if command.version is None:
        found = tx.all("drop_snapshots", command.stream, command.source)
    else:
        found = tx.all("drop_snapshot", command.stream, command.source, command.version)
    if not found:
        return refuse(
            "snapshot_not_found",
            f"there is no snapshot of {command.stream!r} by {command.source!r}"
            + ("" if command.version is None else f" at version {command.version}"),
        )
    return Done(len(found))
