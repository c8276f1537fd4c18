"""The page for people who come from ExESDB leaves no call of its multi-store guide out."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "coming-from" / "exesdb.md"
GUIDE = [
    *("create_store", "remove_store", "list_stores", "get_store_status", "get_store_config"),
    *("append_events", "get_events", "get_streams", "save_subscription"),
]
SECTIONS = ["templates", "migration", "clean-up", "backup", "limitations", "naming"]


def test_every_call_of_the_guide_has_its_place() -> None:
    text = PAGE.read_text("utf-8")
    assert [name for name in GUIDE if name not in text] == []
    assert [word for word in SECTIONS if word not in text] == []
