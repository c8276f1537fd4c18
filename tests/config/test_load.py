"""What a file, a mapping and variables say, one setting at a time, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.config.load import ENCRYPTION, PLACES, load, unknown_variables, variable
from pyesdb.config.settings import EVERY
from pyesdb.config.text import KINDS, choices, duration
from tests.config.samples import NAMES, stored, toml, word


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pyesdb.toml"


def test_the_table_and_the_types_name_the_same_settings() -> None:
    assert set(KINDS) == set(EVERY) == set(pyesdb.ServerSettings.__annotations__)
    assert choices("durability") == ("fsync", "os")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_it(name: str, file: Path) -> None:
    file.write_text(toml(name))
    for path in (file, str(file)):
        assert load(path, {}).given == {name: (stored(name), str(file))}
    assert load(None, {"PYESDB_CONFIG": str(file)}).given == {name: (stored(name), str(file))}


@pytest.mark.parametrize("name", NAMES)
def test_a_mapping_says_it(name: str) -> None:
    assert load({name: stored(name)}, {}).given == {name: (stored(name), "config=")}


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_says_it(name: str) -> None:
    assert variable(name) == f"PYESDB_{name.upper()}"
    found = load(None, {variable(name): word(name)})
    assert found.given == {name: (stored(name), variable(name))}
    assert load(None, {variable(name): ""}).given == {}, "an empty variable says nothing"


def test_later_layers_win(file: Path) -> None:
    file.write_text("max_events = 1\nmax_streams = 1\nmax_count = 1\n")
    variables = {"PYESDB_MAX_STREAMS": "2", "PYESDB_MAX_COUNT": "2", "PYESDB_MAX_EVENTS": ""}
    found = load(file, variables)
    assert {name: found.effective(name).value for name in ("max_events", "max_count")} == {
        "max_events": 1,
        "max_count": 2,
    }
    found = load({"max_count": 3}, {**variables, "PYESDB_CONFIG": str(file)})
    assert found.effective("max_count") == (3, "config=")
    assert found.effective("max_streams") == (2, "PYESDB_MAX_STREAMS")
    assert found.effective("max_events") == (None, "default"), "a mapping stands for the file"


def test_lists_are_json_or_words() -> None:
    for text in ('["eu", "gold"]', "eu,gold", " eu , gold ,"):
        assert load(None, {"PYESDB_TAGS": text}).given["tags"].value == ["eu", "gold"]
    with pytest.raises(pyesdb.InvalidConfig, match="PYESDB_TAGS: tags must be a JSON list"):
        load(None, {"PYESDB_TAGS": '["eu"'})
    with pytest.raises(pyesdb.InvalidConfig, match="PYESDB_TAGS"):
        load(None, {"PYESDB_TAGS": '["eu", 1]'})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("0.5", 0.5), ("250ms", 0.25), ("90s", 90), ("15min", 900), ("15m", 900),
        ("2h", 7200), ("1.5h", 5400), ("30d", 2_592_000), ("30 days", 2_592_000),
        ("2w", 1_209_600), ("1h30m", 5400), ("1h 30min", 5400), ("PT15M", 900),
        ("P1DT12H", 129_600), ("P2W", 1_209_600), ("PT0.5S", 0.5), (" 1d ", 86_400),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration(text, "max_age") == seconds
    if seconds >= 600:
        assert load({"dedup_window": text}, {}).given["dedup_window"].value == seconds
    assert load({"max_age": timedelta(seconds=seconds)}, {}).given["max_age"].value == seconds


@pytest.mark.parametrize(
    "text", ["", "d", "30 fortnights", "P", "PT", "P1M", "P1Y", "-1d", "1d,2h", "1e3", "inf", "٣d"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(pyesdb.InvalidConfig, match="max_age must be a duration like"):
        duration(text, "max_age")


BAD_FILES: list[tuple[str, str]] = [
    ("max_event = 1", "unknown setting 'max_event': did you mean 'max_events'"),
    ("max_events = 'many'", "max_events must be an int"),
    ("max_events = 1.5", "max_events must be an int"),
    ("max_events = true", "max_events must be an int"),
    ("max_stores = 0", "max_stores must be an int from 1"),
    ("timeout = 15000", "timeout must be at most 120.*not milliseconds"),
    ("timeout = 2020-01-01", "timeout must be seconds"),
    ("durability = 'disk'", "durability must be"),
    ("tags = 'eu'", "tags"),
    ("data_dir = '/x'", "unknown setting 'data_dir'"),
    ("[limits]\nmax_events = 1", "unknown setting 'limits'"),
    ("[max_events]\nx = 1", "max_events must be an int"),
    ("encryption = 'secret'", "encryption must be a table of names, not a str"),
    ("max_events = 1\nmax_streams 2", "is not TOML: .*line 2"),
    ("max_events = 1\nmax_events = 2", "is not TOML: Cannot overwrite"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_a_bad_file_is_refused_by_name(text: str, message: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(pyesdb.InvalidConfig, match=message) as caught:
        load(file, {})
    assert str(caught.value).startswith(str(file))
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(pyesdb.InvalidConfig, match="cannot be read") as caught:
            load(path, {})
        assert str(path) in str(caught.value)
    with pytest.raises(pyesdb.InvalidConfig, match="cannot be read"):
        load(None, {"PYESDB_CONFIG": str(tmp_path / "none.toml")})
    (tmp_path / "latin").write_bytes(b'description = "\xe9"')
    with pytest.raises(pyesdb.InvalidConfig, match="UTF-8"):
        load(tmp_path / "latin", {})
    (tmp_path / "deep").write_text("tags = " + "[" * 100_000)
    with pytest.raises(pyesdb.InvalidConfig, match="is not TOML"):
        load(tmp_path / "deep", {})


@pytest.mark.parametrize("config", [5, b"x.toml", "", "a\0b", ["x.toml"], object()])
def test_a_config_is_a_mapping_or_a_path(config: Any) -> None:
    with pytest.raises(pyesdb.InvalidConfig, match="a mapping or the path"):
        load(config, {})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"max_stors": 1}, "did you mean 'max_stores'"),
        ({1: 1}, "unknown setting 1"),
        ({"max_events": "1"}, "max_events must be an int"),
        ({"max_events": None}, "max_events must be an int"),
        ({"encryption": {1: b"secret"}}, "keys that are no text"),
        ({"encryption": b"secret"}, "a bytes"),
    ],
)
def test_a_bad_mapping_is_refused(config: Any, message: str) -> None:
    with pytest.raises(pyesdb.InvalidConfig, match=message) as caught:
        load(config, {})
    assert str(caught.value).startswith("config=: ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("PYESDB_MAX_EVENTS", "ten"), ("PYESDB_MAX_EVENTS", "1e3"), ("PYESDB_TIMEOUT", "15000"),
     ("PYESDB_DURABILITY", "disk"), ("PYESDB_MAX_STORES", "-1")],
)  # fmt: skip
def test_a_bad_variable_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(pyesdb.InvalidConfig, match=f"^{name}: "):
        load(None, {name: text})


def test_the_table_of_encryption_is_kept_apart(file: Path) -> None:
    file.write_text('[encryption]\nkey_file = "/keys/{store}"\n')
    found = load(file, {})
    assert (found.given, found.encryption) == ({}, {"key_file": "/keys/{store}"})
    assert ENCRYPTION not in EVERY


def test_variables_that_mean_nothing_are_named() -> None:
    variables = {
        **dict.fromkeys(PLACES, "x"),
        **{variable(name): "x" for name in EVERY},
        "PYESDB_MAX_EVENT": "5",
        "PYESDB_COLOUR": "red",
        "HOME": "x",
    }
    assert unknown_variables(variables) == {
        "PYESDB_COLOUR": "",
        "PYESDB_MAX_EVENT": "PYESDB_MAX_EVENTS",
    }
    assert load(None, {"PYESDB_COLOUR": "red"}).given == {}
