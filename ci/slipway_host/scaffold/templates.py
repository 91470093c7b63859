"""The files that the scaffold fills in, as package data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from jinja2 import Environment

FILES = "files"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    # Marks of its own: Helm and GitHub Actions use Jinja's for themselves. No HTML comes out of it.
    return Environment(
        loader=FunctionLoader(_source),
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _source(name: str) -> str:
    return (files(__package__) / FILES / name).read_text(encoding="utf-8")


def render(template: str, /, **values: Any) -> str:
    """Return a template, filled in; a value that is missing is an error."""
    return _environment().get_template(template).render(**values)


def chart() -> dict[str, str]:
    """Return the files of the chart that all services share, by path in it."""
    return dict(_walk(files(__package__) / FILES / "charts" / "app", ""))


def _walk(folder: Traversable, at: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        path = f"{at}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        else:
            yield path, entry.read_text(encoding="utf-8")
