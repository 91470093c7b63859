"""What the pages tell people to write and to type, and what they show of the answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/**/README.md"),
        *ROOT.glob("tests/**/*.md"),
    ]
)
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<kind>\w*)(?: (?P<file>\S+))?\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
KINDS = ("console", "sh", "bash")
"""Languages of blocks with commands: behind `$ `, with what they print; one a line; one script."""
_FAILS = " # fails"
_REMARK = re.compile(r"(?:^|\s+)# .*$")
_PROMPT = "$ "
_PROGRESS = re.compile(r"^\d+ +: (?:\[[\d.]+s\] )?\| ?")
_NUMBER = re.compile(r"[0-9a-f]*\d[0-9a-f.]*")


@dataclass(frozen=True)
class File:
    """A file that the page shows, by its path."""

    path: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command, or the whole script of a block; `fails` where the page says so.

    Args:
        line: as it is typed.
        fails: it ends with another exit code than 0.
        shown: what the page shows of its output.
        script: it is a block's whole text.
    """

    line: str
    fails: bool = False
    shown: tuple[str, ...] = ()
    script: bool = False

    @property
    def name(self) -> str:
        """The line; of a script, its first one without its remark."""
        return _REMARK.sub("", self.line.partition("\n")[0])


def steps(page: Path, names: Mapping[str, str]) -> list[File | Command]:
    """Return a page's files and commands in their order.

    Args:
        page: Markdown; a block with a path behind its language is a file.
        names: what stands in the page → what it is here.
    """
    text = page.read_text()
    for old, new in names.items():
        assert old in text, f"{page.name} does not say {old}"
        text = text.replace(old, new)
    found: list[File | Command] = []
    for block in BLOCK.finditer(text):
        if block["file"]:
            found.append(File(block["file"], block["text"]))
        elif block["kind"] == "console":
            found += _console(block["text"])
        elif block["kind"] == "sh":
            found += _lines(block["text"])
        elif block["kind"] == "bash":
            found.append(Command(block["text"], script=True))
    return found


def commands(page: Path) -> list[Command]:
    """Return a page's commands in their order."""
    return [step for step in steps(page, {}) if isinstance(step, Command)]


def _console(text: str) -> list[Command]:
    found = []
    for part in f"\n{text}".split(f"\n{_PROMPT}")[1:]:
        line, *shown = part.rstrip().splitlines()
        fails = line.endswith(_FAILS) or bool(shown and shown[0].startswith("Error: "))
        found.append(Command(line.removesuffix(_FAILS), fails, tuple(shown)))
    return found


def _lines(text: str) -> list[Command]:
    joined = re.sub(r"\\\n\s*", "", text)
    lines = (_REMARK.sub("", line).strip() for line in joined.splitlines())
    return [Command(re.sub(r" {2,}", " ", line)) for line in lines if line]


def unlike(shown: tuple[str, ...], said: str) -> str:
    """Return what of a shown output was not said in that order, or nothing.

    Compared are the first words of lines, the heads of a table, and the whole of an error.
    """
    if shown and shown[0].startswith("Error: "):
        error = " ".join(shown)
        return "" if error in " ".join(said.split()) else error
    there = (_gist(_PROGRESS.sub("", line)) for line in said.splitlines())
    for line in shown:
        gist = _gist(line)
        if gist not in ((), ("…",)) and not any(gist == other for other in there):
            return line
    return ""


def _gist(line: str) -> tuple[str, ...]:
    words = tuple(line.split())
    if line.isupper() and len(words) > 2:
        return words
    return tuple(_NUMBER.sub("0", word) for word in words[:1])
