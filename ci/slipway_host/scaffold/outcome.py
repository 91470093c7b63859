"""What the scaffold leaves behind: new files, and what it says of the others."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_host.scaffold.tree import Tree

Step = tuple[str, str]
"""A command, and a few words about it."""
SHOWN = 12
"""Lines of a difference that are shown."""
WIDTH = 70


@dataclass(kw_only=True)
class Outcome:
    """Files and what is said of them.

    Args:
        new: path → text of each file that is not there yet.
        there: paths that are there already, just so or meant to be edited.
        kept: path → difference to what would be written, in lines of a unified diff; the file stays.
        facts: what was found in the code or a script.
        advice: what somebody has to look at.
        steps: what to do next, in order.
    """

    new: dict[str, str] = field(default_factory=dict)
    there: list[str] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def offer(self, tree: Tree, path: str, text: str, *, compare: bool = True) -> None:
        """Take a file in where none is; what is there stays, and the difference is told.

        Args:
            tree: the folder that it is for.
            path: its path in there.
            text: its content.
            compare: False for a file that is meant to be edited: a difference is no news.
        """
        if not tree.has(path):
            self.new[path] = text
            return
        found = tree.text(path)
        if found == text or not compare:
            self.there.append(path)
        else:
            self.kept[path] = list(
                difflib.unified_diff(
                    (found or "").splitlines(),
                    text.splitlines(),
                    "there",
                    "of the scaffold",
                    n=0,
                    lineterm="",
                )
            )[2:]

    def write(self, root: Path) -> None:
        """Write the new files; one that has appeared meanwhile stays as it is.

        Raises:
            FileExistsError: a file has appeared since the folder was read.
        """
        for path, text in self.new.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as out:
                out.write(text)

    def report(self) -> str:
        """Return all of it for people."""
        lines = [*self.facts]
        if lines:
            lines.append("")
        lines += [f"  new   {path}" for path in self.new]
        lines += [f"  there {path}" for path in self.there]
        for path, difference in self.kept.items():
            lines.append(f"  kept  {path}: it differs from what would be written, and stays as it is")
            lines += [f"          {line}" for line in difference[:SHOWN]]
            if len(difference) > SHOWN:
                lines.append(f"          … {len(difference) - SHOWN} more lines")
        if not self.new:
            lines += ["", "Nothing to write."]
        if self.advice:
            lines += ["", "To look at:", *(f"  {line}" for line in self.advice)]
        if self.steps:
            lines += ["", "Next:", *_aligned(self.steps)]
        return "\n".join(lines)


def _aligned(steps: list[Step]) -> list[str]:
    # One long command is not to push the words of all others out of sight.
    width = max((len(command) for command, about in steps if about and len(command) <= WIDTH), default=0)
    return [f"  {command.ljust(width)}  # {about}" if about else f"  {command}" for command, about in steps]
