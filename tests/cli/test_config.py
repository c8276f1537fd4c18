"""Every setting is found where people look: the sample file, the page, the flags, `config show`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import pyesdb
from pyesdb.cli.settings import flag
from pyesdb.config.load import PLACES, load, variable
from pyesdb.config.sample import sample, spelled
from pyesdb.config.settings import BY_NAME, EVERY
from pyesdb.config.text import duration
from tests.cli.conftest import Shell, run_here
from tests.config.samples import stored, toml, word

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_sample_file_has_every_setting_and_none_of_it_counts(tmp_path: Path) -> None:
    path = tmp_path / "pyesdb.toml"
    assert run_here("config", "example").out == sample()
    path.write_text(sample())
    assert load(path, {}).given == {}
    path.write_text(re.sub("^#(?! )", "", sample(), flags=re.MULTILINE))
    found = load(path, {})
    assert list(found.given) == list(EVERY)
    for name, (value, _) in found.given.items():
        assert EVERY[name].default in (value, None), name


def test_durations_are_spelled_as_they_are_read() -> None:
    for seconds in (0.25, 1, 59, 90, 900, 3600, 5400, 86_400, 2_592_000):
        assert duration(spelled(seconds), "max_age") == seconds
    assert [spelled(s) for s in (15, 900, 3600, 86_400)] == ["15s", "15min", "1h", "1d"]


def test_the_page_has_a_row_for_every_setting() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [*EVERY, *PLACES]
    text = PAGE.read_text("utf-8")
    for name, setting in EVERY.items():
        assert f"`{variable(name)}`" in text
        assert f" {setting.about} |" in text
        assert (f"`{flag(name)}`" in text) == (name in BY_NAME)


@pytest.mark.parametrize("form", ["flags", "pairs"])
def test_every_setting_of_a_store_has_a_flag(form: str, shell: Shell) -> None:
    if form == "flags":
        words = [part for name in BY_NAME for part in (flag(name), word(name))]
    else:
        words = [part for name in BY_NAME for part in ("--set", f"{name}={word(name)}")]
    shell("store", "create", "acme", *words)
    (document,) = shell("config", "show", "--store", "acme", "--json").documents
    assert document["settings"] == {
        name: {"value": stored(name), "origin": "store"} for name in BY_NAME
    }
    assert Path(document["data_dir"]) == shell.data.resolve() / "stores" / "acme"


def test_show_says_where_each_value_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pyesdb.toml"
    file.write_text("".join(map(toml, EVERY)))
    monkeypatch.setenv("PYESDB_MAX_STORES", "5")
    (document,) = run_here("config", "show", "--config", str(file), "--json").documents
    expected = {name: {"value": stored(name), "origin": str(file)} for name in EVERY}
    assert document["settings"] == {
        **expected,
        "max_stores": {"value": 5, "origin": "PYESDB_MAX_STORES"},
    }
    people = run_here("config", "show").lines
    assert people[0].split() == ["SETTING", "VALUE", "ORIGIN"]
    assert [line.split()[0] for line in people[1:]] == list(EVERY)
    assert "max_stores         5        PYESDB_MAX_STORES" in people
    monkeypatch.setenv("PYESDB_CONFIG", str(file))
    assert json.loads(run_here("config", "show", "--json").out) == document


def test_show_names_variables_that_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYESDB_MAX_STORE", "5")
    (document,) = run_here("config", "show", "--json").documents
    assert document["unknown_variables"] == {"PYESDB_MAX_STORE": "PYESDB_MAX_STORES"}
    assert run_here("config", "show").err == (
        "PYESDB_MAX_STORE means nothing to pyesdb: did you mean PYESDB_MAX_STORES?\n"
    )


def test_no_key_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "pyesdb.toml"
    file.write_text('[encryption]\nkey_env = "KEY_OF_ALL"\n')
    for words in (("--json",), ()):
        assert "KEY_OF_ALL" not in run_here("config", "show", "--config", str(file), *words).out


def test_the_file_of_the_command_line_counts_for_new_stores(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "pyesdb.toml"
    file.write_text("max_stores = 2\nmax_events = 7\n")
    shell("--config", str(file), "store", "create", "acme")
    (document,) = shell("config", "show", "--store", "acme", "--json").documents
    assert document["settings"]["max_events"] == {"value": 7, "origin": "server"}
    error = shell("store", "create", "globex", "--config", str(file), "--json", code=2).error
    assert (error["code"], error["setting"], error["limit"]) == ("limit_exceeded", "max_stores", 2)
    missing = shell("store", "create", "x", "--config", "none.toml", "--json", code=2).error
    assert missing["code"] == "invalid_config"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--max-events", "ten"], "invalid_config"),
        (["--max-age", "1 fortnight"], "invalid_config"),
        (["--timeout", "15000"], "invalid_config"),
        (["--set", "max_event=5"], "invalid_config"),
        (["--set", "max_events"], "usage"),
        (["--set", "max_events=5", "--max-events", "5"], "usage"),
    ],
)
def test_a_bad_setting_creates_nothing(words: list[str], code: str, shell: Shell) -> None:
    error = shell("store", "create", "acme", *words, "--json", code=2).error
    assert error["code"] == code
    assert not (shell.data / "stores" / "acme").exists()


def test_text_may_be_json(shell: Shell) -> None:
    shell("store", "create", "a", "--set", 'description="Acme"', "--tags", '["eu", "x,y"]')
    shell("store", "create", "b", "--description", '"Acme" Inc.')
    with pyesdb.open(shell.data, read_only=True) as db:
        assert db.get_store_config("a").description == "Acme"
        assert db.get_store_config("a").tags == ("eu", "x,y")
        assert db.get_store_config("b").description == '"Acme" Inc.'
