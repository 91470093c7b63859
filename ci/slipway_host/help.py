"""How `slipway-host` explains itself: help that fits the terminal, and one line for what it does not know."""

from __future__ import annotations

import argparse
import re
import shutil
from typing import TYPE_CHECKING, Any, NoReturn

from slipway_host.errors import nearest, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WIDEST = 100
COLUMN = 28
_UNKNOWN = re.compile(r"unrecognized arguments: (\S+)")
_CHOICE = re.compile(r"invalid choice: '([^']*)'")


class Format(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, up to what is good to read."""

    def __init__(self, prog: str) -> None:
        columns = shutil.get_terminal_size((WIDEST, 24)).columns
        super().__init__(prog, max_help_position=COLUMN, width=min(columns - 2, WIDEST))


class Parser(argparse.ArgumentParser):
    """A parser that ends with one line: what it does not know, the nearest that it does, and where to look.

    Args:
        prog: what was typed.
        usage: its one line.
        description: below it.
        epilog: at the end.
    """

    def __init__(self, prog: str, *, usage: str, description: str, epilog: str) -> None:
        self.known: set[str] = set()
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=Format,
            allow_abbrev=False,
        )

    def add_argument(self, *names: Any, **how: Any) -> argparse.Action:
        """Add an argument, and know its name."""
        self.known.update(name for name in names if name.startswith("--"))
        return super().add_argument(*names, **how)

    def error(self, message: str) -> NoReturn:
        """End with one line and exit code 2."""
        unknown = _UNKNOWN.search(message) or _CHOICE.search(message)
        name = unknown[1].partition("=")[0] if unknown else ""
        hint = ", which another command takes" if name in self.known else nearest(name, sorted(self.known))
        # The choices are in the help, and too many for a line.
        what = quote(message.partition(" (choose from")[0]) + hint
        what = what.replace("the following arguments are required: <command>", "no command is given")
        end = "" if what.endswith("?") else "."
        self.exit(2, f"Error: {what}{end} Next: {self.prog} --help\n")


def grouped(commands: Mapping[str, str], groups: Mapping[str, Iterable[str]]) -> str:
    """Return the commands below their groups' names, a line or more each.

    Args:
        commands: name → what it does.
        groups: group → names.
    """
    import textwrap

    form = Format("")
    width, indent = form._width, " " * (max(map(len, commands)) + 4)
    lines = []
    for group, names in groups.items():
        lines += ["", f"{group}:"]
        for name in names:
            first = f"  {name:<{len(indent) - 2}}"
            lines += textwrap.wrap(commands[name], width, initial_indent=first, subsequent_indent=indent)
    return "\n".join(lines[1:])
