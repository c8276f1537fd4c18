"""Writes the generated files of the repository, or with --check compares them.

    python tools/generated.py [--check]

Add a page: a function that gives its text, and a line in GENERATED.
"""

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


def _bytes(value: float) -> str:
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size and value % size == 0:
            return f"{value // size:,} {unit}"
    return f"{value:,} bytes"


def _value(name: str, value: float) -> str:
    if name.endswith("_US"):
        return f"{value / 1_000_000:,g} s"
    if name.endswith("_S"):
        return f"{value:,g} s"
    return _bytes(value) if "BYTES" in name else f"{value:,}"


_LIMITS = {
    "EVENT_BYTES_MAX": ("`max_event_bytes`", "LimitExceeded"),
    "APPEND_EVENTS_MAX": ("`max_append_events`", "LimitExceeded"),
    "APPEND_BYTES_MAX": ("`max_append_bytes`", "LimitExceeded"),
    "CONDITION_SCAN_MAX": ("`condition_scan`", "LimitExceeded"),
    "STREAM_NAME_BYTES_MAX": ("name of a stream", "InvalidStreamName"),
    "TYPE_BYTES_MAX": ("type of an event", "InvalidEvent"),
    "TAG_BYTES_MAX": ("one tag", "InvalidEvent"),
    "TAGS_MAX": ("tags of an event", "InvalidEvent"),
    "CONTENT_TYPE_BYTES_MAX": ("content type", "InvalidEvent"),
    "SOURCE_BYTES_MAX": ("name of a source or a subscription", "RequestError"),
    "CLAUSES_MAX": ("alternatives of a selector", "InvalidSelector"),
    "SELECTOR_NAMES_MAX": ("names in a selector", "InvalidSelector"),
    "SUBSCRIPTION_WINDOW_MAX": ("`window`", "InvalidConfig"),
    "SUBSCRIPTION_RETRIES_MAX": ("`max_retries`", "InvalidConfig"),
    "ACK_TIMEOUT_MIN_US": ("`ack_timeout`, at least", "InvalidConfig"),
    "ACK_TIMEOUT_MAX_US": ("`ack_timeout`, at most", "InvalidConfig"),
    "REASON_CHARACTERS_MAX": ("`reason` of a nack", "cut off"),
    "QUEUE_SLOTS_MAX": ("calls that wait for a store", "DeadlineExceeded"),
    "QUEUE_BYTES_MAX": ("bytes that wait for a store", "DeadlineExceeded"),
    "TIMEOUT_MAX_S": ("`timeout`", "InvalidConfig"),
    "DEDUP_WINDOW_MIN_S": ("`dedup_window`, at least", "InvalidConfig"),
}
"""What users meet: a setting's name, as LimitExceeded.setting has it, or words; and the error."""

_INNER = {
    "CLAIM_EVENTS_MAX", "GROUP_COMMANDS_MAX", "GROUP_EVENTS_MAX", "GROUP_BYTES_MAX", "EXPIRES_US",
    "DEDUP_WINDOW_S", "POSITION_MAX",
}  # fmt: skip
"""What nobody runs into, or what another page says."""


def _limits() -> dict[str, str]:
    """Every constant of pyesdb.model.limits, and the text below it or below the next one."""
    from pyesdb.model import limits

    found: dict[str, str] = {}
    for node in ast.parse(Path(str(limits.__file__)).read_text("utf-8")).body[1:]:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = ""
            case ast.Expr(value=ast.Constant(value=str(text))):
                for name in [name for name, why in found.items() if not why]:
                    found[name] = " ".join(text.split()).replace("|", "\\|")
            case _:
                pass
    return found


def limits_page() -> str:
    """docs/reference/limits.md, from the constants of pyesdb.model.limits."""
    from pyesdb.model import limits

    why = _limits()
    assert set(why) == {*_LIMITS, *_INNER}, "a limit that this page neither shows nor leaves out"
    lines = [
        "# Limits",
        "",
        "Everything has a limit. Beyond it a call raises the error that stands beside it, and",
        "nothing is stored; `LimitExceeded.setting` has the name. A [setting](settings.md) may",
        "lower those that have the name of one. `max_stores`, `max_events`, `max_bytes` and",
        "`max_streams` limit nothing unless you say so.",
        "",
        "| limit | value | beyond it | why |",
        "|---|---|---|---|",
    ]
    for name, (shown, error) in _LIMITS.items():
        raised = f"[{error}](errors.md#{error.lower()})" if error[0].isupper() else error
        cells = [shown, _value(name, getattr(limits, name)), raised, why[name]]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Generated from `pyesdb.model.limits` by `tools/generated.py`."]
    return "\n".join(lines) + "\n"


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    """Every command of the tree with its help text."""
    context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands(below, f"{path} {name}")


def command_page() -> str:
    """docs/reference/cli.md, from the commands themselves."""
    from pyesdb.cli import main

    lines = [
        "# Command line",
        "",
        "The script `pyesdb` is always installed. It prints for people; with `--json`, commands",
        "print JSON, one document per line, and errors as JSON on stderr.",
        "",
    ]
    for path, text in _commands(main, "pyesdb"):
        lines += [f"{'#' * (1 + len(path.split()))} {path}", "", "```text", text, "```", ""]
    return "\n".join([*lines, "Generated from the commands by `tools/generated.py`."]) + "\n"


_SETTINGS_HEAD = """# Settings

Every setting, from one table. The TOML file, `open(config={...})` and `create_store(...)` use the
name; [how to configure a database](../howto/configuration.md) says which of them wins. A setting
without a default limits nothing.
"""

_TYPES = {"duration": "duration", "int": "int", "list": "list of text", "text": "text"}


def _settings_table(settings: Iterable[Any], *, flags: bool) -> Iterator[str]:
    from pyesdb.cli.settings import flag
    from pyesdb.config import sample, text
    from pyesdb.config.load import variable

    yield f"| setting | type | default | variable |{' flag |' if flags else ''} what it is for |"
    yield f"|---|---|---|---|{'---|' if flags else ''}---|"
    for setting in settings:
        kind = " or ".join(f'`"{word}"`' for word in text.choices(setting.name))
        default = sample.default(setting)
        cells = [
            f"`{setting.name}`",
            kind or _TYPES[text.KINDS[setting.name]],
            f"`{default}`" if default else "none",
            f"`{variable(setting.name)}`",
            *([f"`{flag(setting.name)}`"] if flags else []),
            setting.about,
        ]
        yield f"| {' | '.join(cells)} |"


def settings_page() -> str:
    """docs/reference/settings.md, from the table of pyesdb.config.settings."""
    from pyesdb.config.load import PLACES
    from pyesdb.config.settings import PROCESS, TABLE

    lines = [
        _SETTINGS_HEAD,
        "## Of a store",
        "",
        "The flags are those of `pyesdb store create`; what `open()` is told is written into the",
        "stores that are created.",
        "",
        *_settings_table(TABLE, flags=True),
        "",
        "## Of a process",
        "",
        "Only `open()` takes them.",
        "",
        *_settings_table(PROCESS, flags=False),
        "",
        "## Variables that are no settings",
        "",
        "| variable | what it says |",
        "|---|---|",
        *(f"| `{name}` | {about} |" for name, about in PLACES.items()),
        "",
        "Generated from `pyesdb.config.settings` by `tools/generated.py`.",
    ]
    return "\n".join(lines) + "\n"


_FAULTS_HEAD = """# Faults

What was done to a database in use, what its user saw, and what was lost of what had been
acknowledged. Each row is a test that ran: work before the fault, calls during it, calls behind it;
then a fresh process looked for every acknowledged event (there exactly once, at its version and
position), for whole batches, for calls that were answered with "nothing was stored" and had stored
something, ran `verify()`, and compared the catalog with the disk.

Faults below SQLite are result codes of its file functions; small disks, read-only file systems,
modes, descriptors and flipped bits are real. Where nothing was seen, no call failed.
"""
_REPORTS = "tests/crash/reports"


def _report(name: str) -> dict[str, Any] | None:
    """A report of the crash laboratory; None: there is none yet."""
    path = ROOT / _REPORTS / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def _cell(value: object) -> str:
    """Text for a table."""
    lines = [str(line) for line in value] if isinstance(value, list) else [str(value)]
    return "<br>".join(line.replace("|", "\\|").replace("<", "&lt;") for line in lines) or "nothing"


def _faults_tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    chapters: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        chapters.setdefault(row["chapter"], []).append(row)
    for chapter, members in chapters.items():
        yield from ["", f"## {chapter}", ""]
        yield from ["| fault | what the user saw | lost | afterwards |", "|---|---|---|---|"]
        for row in members:
            cells = [_cell(row[name]) for name in ("fault", "seen", "lost", "then")]
            yield f"| {' | '.join(cells)} |"


def _lab_table(report: dict[str, Any]) -> Iterator[str]:
    """A laboratory's report: title, runs {seed, figures {name: value}, rows [{fault, ...}]}."""
    yield from ["", f"## {report['title']}", ""]
    for run in report["runs"]:
        figures = ", ".join(f"{name}: {value:,}" for name, value in run["figures"].items())
        yield f"- Seed {run['seed']}. {figures}."
    yield from ["", "| fault | times | what the user saw | lost |", "|---|---:|---|---|"]
    for row in _together(report["runs"]):
        yield f"| {' | '.join(_cell(row[name]) for name in ('fault', 'times', 'seen', 'lost'))} |"


def _together(runs: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """One row per fault: its times in all runs, and what any of them has lost."""
    found: dict[str, dict[str, Any]] = {}
    for row in (row for run in runs for row in run["rows"]):
        one = found.setdefault(row["fault"], {**row, "times": 0})
        one["times"] += row["times"]
        if row["lost"] != "nothing":
            one["lost"] = row["lost"]
    return found.values()


def faults_page() -> str:
    """docs/reference/faults.md, from the reports of the crash laboratory."""
    report = _report("faults")
    lines = [_FAULTS_HEAD.rstrip()]
    lines += _faults_tables(report["rows"] if report else [])
    for name in ("kills", "power"):
        if found := _report(name):
            lines += _lab_table(found)
    lines += [
        "",
        f"Generated from `{_REPORTS}` by `tools/generated.py`. The tests compare each row of the",
        "chapters with what happens; the two laboratories are the long runs of `make stress`, kept",
    ]
    return "\n".join([*lines, "by `tools/crash_reports.py`."]) + "\n"


GENERATED = {
    "docs/reference/limits.md": limits_page,
    "docs/reference/cli.md": command_page,
    "docs/reference/faults.md": faults_page,
    "docs/reference/settings.md": settings_page,
}


def benchmark_files() -> dict[str, str]:
    """docs/reference/benchmarks.md and its pictures, from the files in benchmarks/results."""
    from benchmarks import report, results

    found = report.generated(results.shown(results.KEPT))
    return {str(path.relative_to(ROOT)): text for path, text in found.items()}


def main(arguments: list[str]) -> int:
    """Writes or compares every generated file; 1 when one differs."""
    stale = 0
    texts = {name: make() for name, make in GENERATED.items()} | benchmark_files()
    for name, text in texts.items():
        path = ROOT / name
        if path.exists() and path.read_text("utf-8") == text:
            print(f"current  {name}")
        elif "--check" in arguments:
            stale += 1
            print(f"STALE    {name}: run tools/generated.py")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"written  {name}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
