"""The catalog, `$system`: whether it is whole, and a new one of the stores that are there.

Every store depends on it and it has no backup: what it says of a store stands in the store's file
as well, but for the settings that only steer a process.
"""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import pyesdb
from pyesdb.embedded.target import closed_target
from pyesdb.node import rebuilding
from pyesdb.node.rebuilding import Rebuilt
from pyesdb.node.system import verify_system


def verify_catalog(
    db: pyesdb.Database, *, on_progress: Callable[[int, int], None] | None = None
) -> pyesdb.VerifyResult:
    """`Store.verify` of the catalog; it reads only, while others go on."""
    return verify_system(db._core.node, on_progress)  # pyright: ignore[reportPrivateUsage]


def rebuild_catalog(
    directory: str | PathLike[str] | None = None,
    *,
    config: Mapping[str, Any] | str | PathLike[str] | None = None,
) -> Rebuilt:
    """Make a new catalog of the stores that are there, in place of one that is lost or damaged.

    Stores keep id, history (tokens and cursors stay true), freeze, and the settings that their file
    knows; what is in the trash stays in it. Other settings and templates come from the old catalog
    as far as it can be read, and are defaults otherwise. The audit begins anew. A damaged catalog
    is moved to `trash/`, and stays there. `config` is that of `open` (keys of encrypted stores). A
    crash leaves no catalog: call it again.
    Raises RequestError when the catalog is whole or no store is of this database (pyesdb.json may
    be another's), DatabaseLocked when somebody has it open; AccessDenied (a key was not given),
    NewerFormat, Unavailable for a store that cannot be read now. Then nothing was changed.
    """
    base, keys = closed_target(directory, config)
    return rebuilding.rebuild_catalog(base, keys)
