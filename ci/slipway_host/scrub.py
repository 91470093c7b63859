"""Foreign words on their way to people: without credentials, and without what a terminal would obey."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import SecretStr

HIDDEN = "***"
_CREDENTIALS = (
    (re.compile(r"(://[^:@/\s]*:)[^@\s]+@"), rf"\1{HIDDEN}@"),
    (
        re.compile(
            r"((?:passw(?:or)?d|secret|token|api[_-]?key)\w*[\"']?\s*[=:]\s*)[\"']?[^\s\"',;&]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)


def scrubbed(text: str, given: Iterable[SecretStr] = ()) -> str:
    """Return text without known secrets, and without what looks like a credential.

    Args:
        text: a container's log, of any number of lines.
        given: values that this run knows, and that are nobody else's.
    """
    for value in given:
        if value.get_secret_value():
            text = text.replace(value.get_secret_value(), HIDDEN)
    for pattern, replacement in _CREDENTIALS:
        text = pattern.sub(replacement, text)
    return text


def printable(line: str) -> str:
    """Return one line without terminal escapes; spaces inside it stay (fault 99)."""
    return "".join(c if c.isprintable() else " " for c in line.expandtabs()).rstrip()
