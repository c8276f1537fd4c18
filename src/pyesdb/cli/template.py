"""`pyesdb store template ...`: settings that stores share."""

import click

import pyesdb
from pyesdb.cli import people, show
from pyesdb.cli.completion import template_names
from pyesdb.cli.settings import (
    current,
    database,
    database_options,
    given_settings,
    setting_options,
)
from pyesdb.node.tuning import check_template_name

_name = click.argument("name", shell_complete=template_names)


@click.group()
def template() -> None:
    """Settings under a name, for `pyesdb store create --template`."""


@template.command()
@_name
@setting_options
@database_options
def save(name: str) -> None:
    """Save settings under NAME, whole; the stores made with it follow."""
    given = given_settings()
    check_template_name(name)
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


@template.command("show")
@_name
@database_options
def show_one(name: str) -> None:
    """Print what a template sets."""
    with database(read_only=True) as db:
        found = db.templates().get(name)
    if found is None:
        raise click.UsageError(
            f"there is no template {name!r}: `pyesdb store template list` shows them"
        )
    if current().json:
        show.line({"template": name, "settings": found})
    else:
        show.table(("setting", "value"), ((k, people.setting(k, v)) for k, v in found.items()))


@template.command()
@_name
@database_options
def remove(name: str) -> None:
    """Remove a template; the stores made with it keep its last values."""
    with database() as db:
        db.remove_template(name)
    show.say(f"{name} is removed", template=name, removed=True)


def _text(settings: pyesdb.StoreSettings) -> str:
    return ", ".join(f"{name}={people.setting(name, value)}" for name, value in settings.items())
