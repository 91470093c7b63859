"""What a page of the docs tells people to write and to type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BLOCK = re.compile(r"^```(?P<kind>\w+)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FAILS = " # fails"


@dataclass(frozen=True)
class File:
    """A file that the page shows, by its path."""

    path: str
    text: str


@dataclass(frozen=True)
class Command:
    """A line after a prompt; `fails` where the page says so."""

    line: str
    fails: bool


def steps(page: Path, names: Mapping[str, str]) -> list[File | Command]:
    """Return a page's files and commands in their order.

    Args:
        page: Markdown; a block with a path behind its language is a file, one of the language `console` has
            commands behind `$ `.
        names: what stands in the page → what it is here.
    """
    text = page.read_text()
    found: list[File | Command] = []
    for old, new in names.items():
        assert old in text, f"{page.name} does not say {old}"
        text = text.replace(old, new)
    for block in _BLOCK.finditer(text):
        if block["file"]:
            found.append(File(block["file"], block["text"]))
        elif block["kind"] == "console":
            lines = (line.removeprefix("$ ") for line in block["text"].splitlines() if line.startswith("$ "))
            found += [Command(line.removesuffix(_FAILS), line.endswith(_FAILS)) for line in lines]
    return found
