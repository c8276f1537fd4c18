"""`pyesdb store template ...`: settings that stores share."""

import json

import click

import pyesdb
from pyesdb.cli import show
from pyesdb.cli.settings import (
    current,
    database,
    database_options,
    given_settings,
    setting_options,
)


@click.group()
def template() -> None:
    """Settings under a name, for `pyesdb store create --template`."""


@template.command()
@click.argument("name")
@setting_options
@database_options
def save(name: str) -> None:
    """Save settings under NAME, whole; the stores made with it follow."""
    given = given_settings()
    with database(create=True) as db:
        db.save_template(name, **given)
        saved = db.templates()[name]
    show.say(f"{name}: {_text(saved)}", template=name, settings=saved)


@template.command("list")
@database_options
def list_templates() -> None:
    """List the templates."""
    with database(read_only=True) as db:
        found = db.templates()
    if current().json:
        for name, settings in found.items():
            show.line({"template": name, "settings": settings})
        return
    show.table(("template", "settings"), ((name, _text(s)) for name, s in found.items()))


@template.command()
@click.argument("name")
@database_options
def remove(name: str) -> None:
    """Remove a template; the stores made with it keep its last values."""
    with database() as db:
        db.remove_template(name)
    show.say(f"{name} is removed", template=name, removed=True)


def _text(settings: pyesdb.StoreSettings) -> str:
    return ", ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()
    )
