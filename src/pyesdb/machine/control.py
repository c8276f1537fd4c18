"""Settings and versions: what changes the rules for the commands behind it."""

import msgspec

from pyesdb.machine.append import payload_rows
from pyesdb.machine.refusals import refuse
from pyesdb.machine.state import MACHINE_VERSION, Settings
from pyesdb.machine.transaction import Tx
from pyesdb.model.commands import Configure, RaiseMachine
from pyesdb.model.encoding import is_json
from pyesdb.model.outcomes import Done, Refused

_ROWS = 64
"""Events in memory at once: each may have a megabyte."""


def configure(tx: Tx, command: Configure) -> Done | Refused:
    """Take settings of a higher revision; an older revision changes nothing."""
    if command.revision <= tx.meta.get("revision", 0):
        return Done(tx.meta["revision"])
    try:
        settings = msgspec.convert(command.settings, Settings)
    except msgspec.ValidationError as error:
        return refuse("invalid_config", f"settings that the machine does not know: {error}")
    before = set(tx.settings.indexed_payload)
    tx.set_meta("settings", msgspec.msgpack.encode(settings))
    tx.set_meta("revision", command.revision)
    for path in sorted(before - set(settings.indexed_payload)):
        tx.run("drop_payload_path", path)
    added = tuple(sorted(set(settings.indexed_payload) - before))
    if added:
        _index(tx, added)
    return Done(command.revision)


def _index(tx: Tx, paths: tuple[str, ...]) -> None:
    """Index what is stored already."""
    last = 0
    tx.flush()
    while rows := tx.all("events_to_index", last, _ROWS):
        last = rows[-1][0]
        for position, data, content_type in rows:
            if content_type is None or is_json(content_type):
                for row in payload_rows(paths, data, position):
                    tx.new_payloads += row
        tx.flush()


def raise_machine(tx: Tx, command: RaiseMachine) -> Done | Refused:
    """Follow newer rules from the next command on; never older ones."""
    if command.version > MACHINE_VERSION:
        return refuse(
            "newer_format",
            f"machine version {command.version} is not known here (newest: {MACHINE_VERSION})",
        )
    if command.version > tx.meta["machine"]:
        tx.set_meta("machine", command.version)
    return Done(tx.meta["machine"])
