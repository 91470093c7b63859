"""A folder's files, as the scaffold reads them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

PASSED_BY = frozenset(
    {"node_modules", "vendor", "testdata", "dist", "build", "target", "venv", "__pycache__", "site-packages"}
)
"""Folders of other people's code, and of what is built: nothing in them tells of the service."""
LARGEST = 512 * 1024
"""Bytes of a source file that is looked into."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that was found, and where.

    Args:
        value: what.
        where: path with line, or a reason, for people.
    """

    value: str
    where: str


class Tree:
    """The files below one folder, by their paths from it; what is hidden is read only by its name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def paths(self) -> list[str]:
        """Every file that may tell something, sorted, without hidden folders and `PASSED_BY`."""
        found: list[str] = []
        for folder, below, names in os.walk(self.root):
            below[:] = sorted(name for name in below if not name.startswith(".") and name not in PASSED_BY)
            at = Path(folder).relative_to(self.root)
            found += [(at / name).as_posix() for name in names]
        return sorted(found)

    def text(self, path: str) -> str | None:
        """Return a file's text, None where it is absent, no text, or not small."""
        file = self.root / path
        try:
            if not file.is_file() or file.stat().st_size > LARGEST:
                return None
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def has(self, path: str) -> bool:
        """Return whether something lies at a path, a broken link included."""
        return os.path.lexists(self.root / path)

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, a hidden one as well; none where there is no folder."""
        place = self.root / folder
        return sorted(path.name for path in place.iterdir() if path.is_file()) if place.is_dir() else []

    def below(self, folder: str, suffixes: Iterable[str] = ("",)) -> list[str]:
        """Return the files below a folder (`.` is all) whose names end so."""
        start, ends = "" if folder == "." else f"{folder}/", tuple(suffixes)
        return [path for path in self.paths if path.startswith(start) and path.endswith(ends)]

    def first(self, pattern: re.Pattern[str], paths: Iterable[str]) -> Fact | None:
        """Return the first match's first group, and where it stands."""
        return next(iter(self.every(pattern, paths)), None)

    def every(self, pattern: re.Pattern[str], paths: Iterable[str]) -> list[Fact]:
        """Return each match's first group, in order, and where it stands first."""
        found: dict[str, Fact] = {}
        for path in paths:
            for number, line in enumerate((self.text(path) or "").splitlines(), start=1):
                for match in pattern.finditer(line):
                    value = next((group for group in match.groups() if group), match[0])
                    found.setdefault(value, Fact(value=value, where=f"{path}:{number}"))
        return list(found.values())


def join(folder: str, name: str) -> str:
    """Return a path below a folder, which may be `.`."""
    return name if folder == "." else f"{folder}/{name}"
