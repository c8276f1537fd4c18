"""The project's own rules about its files."""

import ast
import importlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import pyesdb

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "pyesdb"
LINES_MAX = 400
"""A longer source file has more than one idea."""

BINARY = {".gz", ".zip", ".png", ".ico", ".db", ".xz", ".bin", ".zst"}
HOSTS = re.compile(
    "|".join(["py" + r"pi\.org", "pythonhos" + "ted", r"registry\.np" + "m", r"deb\.debi" + "an"])
)
MACHINE_PATH = re.compile(r"(^|[^A-Za-z0-9_.])/(wo" + "rk|fa" + "rm|ro" + "ot|ho" + "me)/")
UNFINISHED = re.compile("TO" + "DO|FIX" + "ME|XX" + "X|NotImplemented" + "Error")


def tracked() -> list[Path]:
    """The files under version control; in an unpacked sdist, everything."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True,
        ).stdout.decode()  # fmt: skip
        found = [ROOT / name for name in listing.split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if ".venv" not in str(path)]
    return [path for path in found if path.is_file() and path.suffix not in BINARY]


FILES = tracked()
SOURCES = sorted(SRC.rglob("*.py"))


def matches(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    """`file:line: text` of every line that matches."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_source_files_stay_short() -> None:
    long = {path.name: lines for path in SOURCES
            if (lines := len(path.read_text("utf-8").splitlines())) > LINES_MAX}  # fmt: skip
    assert long == {}


def test_no_registry_hosts() -> None:
    assert matches(HOSTS, FILES) == []


def test_no_paths_of_one_machine() -> None:
    assert matches(MACHINE_PATH, FILES) == []


def test_nothing_unfinished() -> None:
    assert matches(UNFINISHED, FILES) == []


def test_no_test_is_skipped_without_a_reason() -> None:
    bare = re.compile(r"mark\.(skip|xfail)(\(\))?\s*$|mark\.skipif\((?!.*reason)[^,]*\)\s*$")
    assert matches(bare, [path for path in FILES if path.suffix == ".py"]) == []


def test_locks_have_hashes_and_no_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text("utf-8")
        assert not re.search("--(extra-)?index|--find-links", text), path.name
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in pin for pin in pins), path.name
        assert text.count("--hash=sha256:") >= len(pins), path.name


def test_every_dependency_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    lines = [line.strip() for line in block[1].splitlines()]
    for before, line in zip(["", *lines], lines, strict=False):
        assert line.startswith("#") or before.startswith("#"), line


def test_every_room_has_a_design_note() -> None:
    rooms = {path.parent for path in SRC.glob("*/__init__.py")}
    missing = sorted(room.name for room in rooms if not (room / "DESIGN.md").is_file())
    assert missing == []


def test_a_room_s_design_note_names_its_files() -> None:
    """Who looks for something reads there in which file it is; a new file is named with its day."""
    missing = []
    for note in sorted(SRC.glob("*/DESIGN.md")):
        named = {word.removesuffix(".py") for word in re.findall(r"`(\w[\w.]*)`", note.read_text())}
        files = {path.stem for path in note.parent.glob("*.py")} - {"__init__", "__main__"}
        missing += [f"{note.parent.name}/{name}.py" for name in sorted(files - named)]
    assert missing == []


def test_a_design_note_names_no_file_that_is_gone() -> None:
    named = [
        note.parent / name
        for note in sorted(SRC.glob("*/DESIGN.md"))
        for name in re.findall(r"`(\w+\.py)`", note.read_text("utf-8"))
    ]
    assert [path for path in named if not path.exists()] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path.relative_to(SRC)) for path in SOURCES
              if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]  # fmt: skip
    assert silent == []


WALL_CLOCK = {
    ("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"),
    ("datetime", "today"), ("date", "today"),
}  # fmt: skip


def test_wall_time_is_read_in_telemetry_only() -> None:
    """But for the uuid7 default of ids."""
    allowed = {SRC / "model" / "ids.py"}
    found = []
    for path in SOURCES:
        if path in allowed or SRC / "telemetry" in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id=owner), attr=name):
                    if (owner, name) in WALL_CLOCK:
                        found.append(f"{path.relative_to(SRC)}:{node.lineno}")
                case _:
                    pass
    assert found == []


STATEMENT = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def test_every_sql_statement_is_named_once_and_used() -> None:
    texts = [path.read_text("utf-8") for path in sorted(SRC.rglob("*.sql"))]
    for text in texts:
        before_first_name = STATEMENT.split(text)[0]
        code = [line for line in before_first_name.splitlines() if line and line[:2] != "--"]
        assert code == [], "a statement without a name"
    names = [name for text in texts for name in STATEMENT.findall(text)]
    assert sorted(names) == sorted(set(names))
    words = {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert [name for name in names if name not in words] == []


def test_every_error_has_a_section_in_the_docs() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
    tree = (ROOT / "tests" / "surface" / "errors.txt").read_text("utf-8")
    names = re.findall(r"\b[A-Z][A-Za-z]+\b(?=[\s(]|$)", re.sub(r"\([^)]*\)", "", tree))
    assert [name for name in names if f"({name.lower()})=" not in page] == []


def test_every_public_name_has_its_place_in_the_reference() -> None:
    """Errors have a page of their own; what `eventsourcing` has is for its library."""
    page = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    missing = []
    for name in ("", ".operations", ".encryption", ".transfer", ".projections", ".testing"):
        module = importlib.import_module(f"pyesdb{name}")
        _, _, part = page.partition(f".. currentmodule:: pyesdb{name}\n")
        part = part if not name else part.partition("currentmodule")[0]
        shown = set(re.findall(r"^\.\. (?:auto\w+|py:data):: (\w+)$", part, re.MULTILINE))
        for public in set(module.__all__) - shown - {"__version__"}:
            value = getattr(module, public)
            if not (isinstance(value, type) and issubclass(value, Exception) and not name):
                missing.append(f"pyesdb{name}.{public}")
    assert sorted(missing) == []


def test_every_extra_is_said_to_be_for_something() -> None:
    page = (ROOT / "docs" / "howto" / "install.md").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extra in extras["optional-dependencies"]:
        assert f"\n| `{extra}` | " in page
        assert f"`{extra}`" in readme


def test_the_page_of_limits_has_the_names_that_errors_have() -> None:
    page = (ROOT / "docs" / "reference" / "limits.md").read_text("utf-8")
    with pytest.raises(pyesdb.LimitExceeded) as caught:
        pyesdb.NewEvent("E", b"x" * (2 << 20))
    assert f"| `{caught.value.setting}` |" in page


def test_fragments_of_the_changelog_are_named_as_their_page_says() -> None:
    name = re.compile(r"(\d+|\d+-[a-z0-9-]+|\+[a-z0-9-]+)\.(breaking|added|changed|fixed)\.md")
    others = {"README.md", "template.md.jinja"}
    found = {path.name for path in (ROOT / "changes").iterdir()} - others
    assert sorted(each for each in found if not name.fullmatch(each)) == []


def test_relative_links_lead_somewhere() -> None:
    fenced = re.compile(r"^```python\n.*?^```$", re.MULTILINE | re.DOTALL)
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
    linked = [
        (page, target)
        for page in [*pages, *SRC.glob("*/DESIGN.md")]
        for target in link.findall(fenced.sub("", page.read_text("utf-8")))
    ]
    assert [(p.name, target) for p, target in linked if not (p.parent / target).exists()] == []
