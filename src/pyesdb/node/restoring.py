"""A store made of a backup: proved in a draft, before it appears.

What must never happen here: a store whose file is not what was backed up, or one overwritten.
"""

from os import PathLike
from pathlib import Path
from typing import Any

from pyesdb.config import settings as table
from pyesdb.machine.state import MACHINE_VERSION
from pyesdb.model.checks import check_progress
from pyesdb.model.errors import Corrupt, NewerFormat
from pyesdb.model.keys import Key
from pyesdb.model.names import check_store_id
from pyesdb.node import drafts, reconcile
from pyesdb.node.backup import checked_path, last_state
from pyesdb.node.engine import Node
from pyesdb.node.lifecycle import check_free, create_from_draft
from pyesdb.sqlite import archive, backup, cipher
from pyesdb.sqlite.archive import Manifest
from pyesdb.sqlite.backup import Frozen, Progress
from pyesdb.sqlite.cipher import Keys
from pyesdb.store.verify import verify_file


def restore_backup(
    node: Node,
    path: str | PathLike[str],
    as_: str | None,
    on_progress: Progress | None,
    max_stores: int | None,
    default: str,
) -> str:
    """Make a store of a backup, with a new incarnation; returns its id.

    The store `default` is replaced as long as nobody has used it.
    Raises RequestError, Corrupt, NewerFormat (the file), StoreAlreadyExists, LimitExceeded.
    """
    node.writable()
    check_progress(on_progress)
    source = checked_path(path)
    manifest = archive.read_manifest(source)
    store_id = check_store_id(manifest.store_id if as_ is None else as_)
    check_free(node, store_id, default)
    data = _settings(node, manifest)
    key = _key(node, manifest, store_id, source)
    keys: Keys = lambda: [key] if key else []  # noqa: E731
    told = _told(manifest, on_progress)
    with drafts.making(node) as draft:
        reconcile.hook("draft made")
        backup.follow(archive.extract(source, manifest, draft.file), told)
        if key is not None:
            cipher.write_check(draft.file, cipher.new_check(key))
        backup.back_to_wal(draft.file, keys)
        reconcile.hook("draft filled")
        _prove(source, manifest, draft.file, keys, told)
        data |= drafts.encrypt(node, draft, store_id, key)
        draft.sync()
        reconcile.hook("draft proved")
        data["draft"] = draft.name
        create_from_draft(node, store_id, data, max_stores, default)
    return store_id


def _key(node: Node, manifest: Manifest, store_id: str, source: Path) -> Key | None:
    """The key of an encrypted backup, looked for under its own id and the new one."""
    if manifest.key is None:
        return None
    return cipher.key_for(manifest.key, node.keys.of(store_id, manifest.store_id), source)


def _told(manifest: Manifest, on_progress: Progress | None) -> Progress | None:
    """Reading is one half of the work, proving the other: twice the bytes in all."""
    if on_progress is None:
        return None
    return lambda done, _: on_progress(done, 2 * manifest.bytes)


def _settings(node: Node, manifest: Manifest) -> dict[str, Any]:
    """The store's settings. A template of another database, or one that is gone, is not named:
    what it said becomes the store's own.
    """
    own = dict(manifest.settings)
    data: dict[str, Any] = {"server": manifest.server}
    if manifest.frozen:
        data["frozen"] = True
    if manifest.template is not None:
        known = node.catalog.template(manifest.template)
        if manifest.database == node.database and known is not None:
            data["template"] = manifest.template
        else:
            own = manifest.template_settings | own
    if node.temporary:  # ":memory:" is erased at exit: nothing in it waits for a disk
        own.pop("durability", None)
        data["server"] = {**manifest.server, "durability": "os"}
    return data | {"settings": table.checked(own)}


def _prove(source: Path, manifest: Manifest, path: Path, keys: Keys, told: Progress | None) -> None:
    """Every page, index, digest and counter; and that it is the history the manifest speaks of."""
    with Frozen(path, read_only=False, keys=keys) as moment:
        machine, state = moment.identity.get("machine", 0), last_state(moment)
    if int(machine) > MACHINE_VERSION:
        raise NewerFormat(
            f"{source} follows machine version {machine}, this pyesdb knows {MACHINE_VERSION}: "
            "upgrade pyesdb"
        )

    def verified(done: int, total: int) -> None:
        if told is not None:
            told(manifest.bytes + manifest.bytes * done // total, 0)

    identity = {"database": manifest.database, "incarnation": manifest.incarnation}
    result = verify_file(path, identity, verified, keys=keys)
    if not result.ok:
        first = result.problems[0]
        raise Corrupt(
            f"{source} is damaged ({first.where}: {first.what}; {len(result.problems)} in all): "
            "use another backup"
        )
    found = (state.position, state.seq, state.chain.hex())
    if found != (manifest.position, manifest.seq, manifest.chain):
        raise Corrupt(f"{source} holds another history than its manifest says: use another backup")
