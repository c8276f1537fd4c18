"""Sphinx: `make docs` builds with every warning an error."""

import re
from importlib.metadata import version as installed

project = "PyESDB"
author = "the PyESDB authors"
copyright = author
release = version = installed("pyesdb")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"PyESDB {release}"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True

default_role = "code"


def _as_written(app, what, name, obj, options, lines):
    """Docstrings are prose for people: `|` and `*` in them mean themselves."""
    lines[:] = [re.sub(r"([|*])", r"\\\1", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", _as_written)
