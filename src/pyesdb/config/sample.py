"""A sample file with every setting, printed by `pyesdb config example`.

What must never happen here: a line that counts. Whoever wants one takes the "#" away.
"""

import json
from collections.abc import Iterator

from pyesdb.config import text
from pyesdb.config.settings import EVERY, Setting

_HEAD = """\
# Settings for pyesdb.open(config="pyesdb.toml"), or the file that PYESDB_CONFIG names.
# Take the "#" away in front of a line that shall count. Durations: seconds, or "15min", "30d".
# Settings of stores are written into stores that are created; those that exist keep theirs.
"""
_INSTEAD = {"duration": '"30d"', "int": "1000000", "list": "[]", "text": '""'}
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def spelled(seconds: float) -> str:
    """Seconds as people write them: "15min"; what is not whole stays seconds."""
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:g}s"


def default(setting: Setting) -> str:
    """The default of a setting in TOML (and JSON); "" when there is none."""
    if setting.default is None:
        return ""
    value = setting.default
    if text.KINDS[setting.name] == "duration":
        value = spelled(value)
    return json.dumps(value)


def _lines() -> Iterator[str]:
    for setting in EVERY.values():
        yield f"# {setting.about}"
        shown = default(setting)
        if shown:
            yield f"#{setting.name} = {shown}\n"
        else:
            yield f"#{setting.name} = {_INSTEAD[text.KINDS[setting.name]]}  # no default\n"


def sample() -> str:
    """The text of the file; every setting stands there, none counts."""
    return "\n".join([_HEAD, *_lines()])
