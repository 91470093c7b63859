"""The keys of the Secret that a script makes for the service's pods."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway_host.scaffold.script import Script

LITERAL = re.compile(r"--from-literal=[\"']?([A-Za-z_]\w*)=")
RANDOM = r"=[^\n]*(openssl rand|urandom|uuidgen|pwgen)"
SIGNING = frozenset({"JWT_SECRET", "API_SECRET", "SESSION_SECRET"})
"""Keys of which nobody has to know the value, wherever a script takes it from."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key.

    Args:
        name: its name.
        random: its value is random, or nobody has to know it.
        line: of the script.
    """

    name: str
    random: bool
    line: int


def keys(script: Script) -> Iterator[Key]:
    """Return each key that `kubectl create secret generic` is given by its value."""
    # What is random stands in a command, what it is for in the assignment around it.
    texts = [command.text for command in script.commands]
    texts += [f"{one.name}={one.why}" for one in script.variables if one.value is None]
    whole = "\n".join(texts)
    for command in script.commands:
        if command.program != "kubectl" or not {"create", "secret", "generic"} <= set(command.raw):
            continue
        for word, line in zip(command.raw, command.lines, strict=True):
            if found := LITERAL.match(word):
                name = found[1]
                random = name in SIGNING or bool(re.search(re.escape(name) + RANDOM, whole))
                yield Key(name=name, random=random, line=line)
