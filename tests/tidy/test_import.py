"""What `import pyesdb` does to the process that imports it."""

import subprocess
import sys

UNWANTED = (
    "click", "rich", "asyncio", "importlib.metadata", "http.server", "http.client", "socketserver",
    "sqlite3",
    "grpc", "nats", "pytest", "multiprocessing", "concurrent.futures.process", "tkinter",
    "pydantic", "attrs", "numpy", "xml", "unittest", "doctest", "ssl",
)  # fmt: skip
"""Never loaded by the import alone; asyncio is, with the async half, when that is asked for."""


def run(code: str) -> str:
    """The output of a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_import_pulls_in_no_server_or_command_line_library() -> None:
    loaded = set(run("import pyesdb, sys; print(*sys.modules, sep='\\n')").split())
    assert loaded & set(UNWANTED) == set()
    assert not any(name.startswith("pyesdb.cli") for name in loaded)


def test_import_leaves_out_what_not_every_program_uses() -> None:
    loaded = set(run("import pyesdb, sys; print(*sys.modules, sep='\\n')").split())
    later = {"types.registry", "deciders.decider", "store.consuming", "embedded.consumer"}
    assert loaded & {f"pyesdb.{name}" for name in later} == set()
    assert run("import pyesdb; print(pyesdb.Consumer.__name__)").strip() == "Consumer"


def test_import_starts_no_thread_and_touches_no_signal() -> None:
    code = (
        "import signal, threading\n"
        "before = [signal.getsignal(s) for s in signal.valid_signals()]\n"
        "import pyesdb\n"
        "assert [signal.getsignal(s) for s in signal.valid_signals()] == before\n"
        "print(threading.active_count())"
    )
    assert run(code).strip() == "1"


def test_logging_is_silent_until_asked_for() -> None:
    code = (
        "import logging, pyesdb\n"
        "print([type(h).__name__ for h in logging.getLogger('pyesdb').handlers])\n"
        "print(logging.getLogger().handlers)"
    )
    assert run(code).split("\n")[:2] == ["['NullHandler']", "[]"]


def test_version_comes_from_one_place() -> None:
    code = (
        "import pyesdb as p, importlib.metadata as m; print(p.__version__ == m.version('pyesdb'))"
    )
    assert run(code).strip() == "True"
