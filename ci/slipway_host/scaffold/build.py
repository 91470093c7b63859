"""How a script builds its image: Dockerfile and build arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.names import ENV_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway_host.scaffold.script import Command, Script


@dataclass(frozen=True, kw_only=True)
class BuildArgument:
    """One build argument.

    Args:
        name: its name.
        value: what it is given; None where only a run would tell.
        source: the variable that it comes from, its own name where there is none.
        line: of the script.
    """

    name: str
    value: str | None
    source: str
    line: int


def dockerfiles(script: Script) -> Iterator[tuple[str | None, int]]:
    """Return each Dockerfile that is named, and the line."""
    for command in script.commands:
        for index, raw in enumerate(command.raw[:-1]):
            if raw in {"-f", "--file"} and "build" in command.raw:
                yield command.words[index + 1], command.lines[index + 1]


def arguments(script: Script) -> Iterator[BuildArgument]:
    """Return each build argument, of docker and of buildctl, and of lists that are collected for them."""
    for command in script.commands:
        for index, raw in enumerate(command.raw):
            found = _pair(command, index, raw)
            if found is None:
                continue
            text, word = found
            name, _, rest = text.partition("=")
            if ENV_NAME.fullmatch(name):
                yield BuildArgument(
                    name=name,
                    value=word.partition("=")[2] if word and "=" in word else None,
                    source=next(iter(re.findall(r"\$\{?(\w+)", rest)), name),
                    line=command.lines[index],
                )


def _pair(command: Command, index: int, raw: str) -> tuple[str, str | None] | None:
    """Return `NAME=value` as it stands there and as it reads, None where there is no argument."""
    word = command.words[index]
    if raw == "--build-arg" and index + 1 < len(command.raw):
        return command.raw[index + 1], command.words[index + 1]
    if raw.startswith("--build-arg="):
        return raw.partition("=")[2].strip("\"'"), word and word.partition("=")[2]
    if found := re.match(r"(?:--opt[= ])?build-arg:(.*)", raw):
        return found[1].strip("\"'"), word and word.partition(":")[2]
    return None
