"""`pyesdb append`."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from tests.cli.conftest import Shell


def read(shell: Shell, *words: str) -> list[dict[str, object]]:
    return shell("read", *words, "--json").documents


def test_one_event_with_everything(shell: Shell) -> None:
    id_ = str(uuid4())
    (result,) = shell(
        "append", "order-1", "OrderPlaced", '{"total": 30}', "--tag", "order:1", "--tag", "eu",
        "--metadata", '{"user": "ada"}', "--id", id_, "--expected", "none", "--json",
    ).documents  # fmt: skip
    assert result["count"] == 1
    assert (result["stream"], result["version"], result["position"]) == ("order-1", 0, 1)
    assert (result["first_version"], result["duplicate"]) == (0, False)
    (event,) = read(shell, "order-1")
    assert event["data"] == {"total": 30}
    assert event["tags"] == ["order:1", "eu"]
    assert event["metadata"] == {"user": "ada"}
    assert (event["id"], event["type"]) == (id_, "OrderPlaced")
    assert event["time"] == event["created"]


def test_without_data_it_is_an_empty_object(shell: Shell) -> None:
    assert shell("append", "s", "Started").out == "1 in s: version 0, position 1\n"
    assert read(shell, "s")[0]["data"] == {}


def test_lines_of_stdin_are_the_data_of_one_type_all_or_nothing(shell: Shell) -> None:
    lines = '{"kwh": 1}\n\n{"kwh": 2}\n[3]\n'
    assert shell("append", "meter", "Read", "-", stdin=lines).out.startswith("3 in meter")
    assert [event["data"] for event in read(shell, "meter")] == [{"kwh": 1}, {"kwh": 2}, [3]]
    failed = shell("append", "meter", "Read", "-", stdin='{"kwh": 4}\n{"kwh": \n', code=2)
    assert "line 2 of stdin" in failed.err
    assert len(read(shell, "meter")) == 3


def test_what_read_prints_can_be_appended(shell: Shell) -> None:
    shell("append", "a", "One", '{"n": 1}', "--tag", "x", "--metadata", '{"k": "v"}')
    shell("append", "a", "Two", '"text"')
    printed = shell("read", "a", "--json").out
    shell("append", "b", "-", stdin=printed)
    kept = ("type", "data", "tags", "metadata", "id", "time", "content_type")
    first, second = read(shell, "a"), read(shell, "b")
    assert [[e[k] for k in kept] for e in first] == [[e[k] for k in kept] for e in second]
    assert [event["position"] for event in second] == [3, 4]


def test_bytes_travel_as_base64(shell: Shell) -> None:
    line = {"type": "Blob", "data_base64": "AP8=", "content_type": "image/x"}
    shell("append", "s", "-", stdin=json.dumps(line))
    (event,) = read(shell, "s")
    assert (event["data_base64"], event["content_type"]) == ("AP8=", "image/x")
    assert "data" not in event
    assert "<2 bytes of image/x>" in shell("read", "s").out


def test_shared_tags_and_metadata_go_to_every_line(shell: Shell) -> None:
    lines = '{"type": "A", "tags": ["own"]}\n{"type": "B", "metadata": {"m": 2}}\n'
    shell("append", "s", "-", "--tag", "all", "--metadata", '{"m": 1}', stdin=lines)
    events = read(shell, "s")
    assert [event["tags"] for event in events] == [["all", "own"], ["all"]]
    assert [event["metadata"] for event in events] == [{"m": 1}, {"m": 2}]


@pytest.mark.parametrize(
    ("expected", "codes"),
    [("any", (0, 0)), ("none", (0, 4)), ("exists", (4, 0)), ("0", (4, 0)), ("1", (4, 4))],
)
def test_expected(shell: Shell, expected: str, codes: tuple[int, int]) -> None:
    shell("append", "s", "T", "--expected", expected, code=codes[0])
    shell("append", "t", "T")
    shell("append", "t", "T", "--expected", expected, code=codes[1])


def test_a_wrong_version_says_the_actual_one(shell: Shell) -> None:
    shell("append", "s", "T")
    error = shell("append", "s", "T", "--expected", "7", "--json", code=4).error
    assert error["code"] == "wrong_expected_version"
    assert (error["stream"], error["expected"], error["actual"]) == ("s", 7, 0)
    error = shell("append", "new", "T", "--expected", "7", "--json", code=4).error
    assert error["actual"] == "no_stream"


def test_the_same_id_again_is_a_duplicate(shell: Shell) -> None:
    words = ("append", "s", "T", "{}", "--id", str(uuid4()), "--expected", "none")
    shell(*words)
    assert shell(*words, "--json").documents[0]["duplicate"] is True
    assert "earlier" in shell(*words).out
    assert len(read(shell, "s")) == 1


def test_no_lines_append_nothing(shell: Shell) -> None:
    assert shell("append", "s", "T", "-", stdin="").out == "nothing to append\n"
    assert shell("append", "s", "T", "-", "--json", stdin="\n").documents[0]["count"] == 0


@pytest.mark.parametrize(
    ("words", "stdin", "says"),
    [
        (("s", "T", "{total: 30}"), "", "DATA is not JSON"),
        (("s", "T", "NaN"), "", "NaN"),
        (("s", "T", "[" * 100_000), "", "JSON"),
        (("s", "T", "{}", "--metadata", "[]"), "", "--metadata must be a JSON object"),
        (("s", "T", "{}", "--metadata", "{"), "", "--metadata is not JSON"),
        (("s", "T", "{}", "--id", "17"), "", "UUID"),
        (("s", "T", "{}", "--expected", "-1"), "", "any, none, exists or a version"),
        (("s", "T", "{}", "--expected", "true"), "", "any, none, exists or a version"),
        (("s", "T", "-", "--id", str(uuid4())), "{}", "--id names one event"),
        (("s", "-", "{}"), "{}", "lines of stdin"),
        (("s", "-"), "{}", "has no type"),
        (("s", "-"), "[]", "must be a JSON object"),
        (("s", "-"), '{"type": "T", "colour": 1}', "unknown field 'colour'"),
        (("s", "-"), '{"type": "T", "id": "x"}', "line 1 of stdin"),
        (("s", "-"), '{"type": "T", "time": "noon"}', "line 1 of stdin"),
        (("s", "-"), '{"type": "T", "tags": 5}', "line 1 of stdin"),
        (("s", "-"), '{"type": "T", "tags": "abc"}', "tags"),
        (("s", "-"), '{"type": "T", "metadata": 5}', "line 1 of stdin"),
        (("s", "-"), '{"type": "T", "data_base64": "?"}', "line 1 of stdin"),
        (("s", "-"), '{"type": 5}', "type"),
        (("$events", "T"), "", "$events"),
        (("s\n", "T"), "", "control"),
        (("", "T"), "", "stream"),
        (("s", "T", "{}", "--tag", ""), "", "tag"),
        (("s",), "", "TYPE"),
    ],
)
def test_bad_input_is_named_and_leaves_no_event(
    shell: Shell, words: tuple[str, ...], stdin: str, says: str
) -> None:
    shell("append", "before", "T")
    assert says.lower() in shell("append", *words, stdin=stdin, code=2).err.lower()
    error = shell("append", *words, "--json", stdin=stdin, code=2).error
    assert error["exit_code"] == 2
    assert len(read(shell, "--all")) == 1


def test_bad_input_makes_no_directory(shell: Shell) -> None:
    shell("append", "s", "T", "{", code=2)
    assert not shell.data.exists()


def test_too_many_events(shell: Shell) -> None:
    error = shell("append", "s", "T", "-", "--json", stdin="{}\n" * 10_001, code=2).error
    assert (error["code"], error["limit"], error["value"]) == ("limit_exceeded", 10_000, 10_001)
    shell("append", "s", "T", "-", stdin="{}\n" * 10_000)
