"""Takes secrets out of what other programs say, before anybody reads it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encoded
from urllib.parse import unquote

from slipway_host.secret_text import SHORTEST

if TYPE_CHECKING:
    from collections.abc import Iterable

_IN_ADDRESS = re.compile(r"://[^:@/\s]*:([^@/\s]+)@")
_CREDENTIALS = (
    (re.compile(r"(://[^:@/\s]*:)[^@\s]+@"), r"\1***@"),
    (
        re.compile(
            r"((?:passw(?:or)?d|secret|token|api[_-]?key)\w*[\"']?\s*[=:]\s*)[\"']?[^\s\"',;&]+",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
)


def parts(values: Iterable[str]) -> list[str]:
    """Return secrets with what a program may print of them: single lines, and the password in an address."""
    found = []
    for value in values:
        found += [value, *value.splitlines()]
        found += [form for word in _IN_ADDRESS.findall(value) for form in (word, unquote(word))]
    return found


def without(text: str, known: Iterable[str]) -> str:
    """Return a text without the known secrets, percent-encoded ones as well, and passwords in addresses."""
    # The longest first: one may be part of another.
    for value in sorted({value for value in known if len(value) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(value, "***").replace(percent_encoded(value, safe=""), "***")
    pattern, replacement = _CREDENTIALS[0]
    return pattern.sub(replacement, text)


def scrubbed(text: str, known: Iterable[str] = ()) -> str:
    """Return a text without the known secrets, and without what looks like one.

    Args:
        text: foreign output.
        known: secrets by value; they go in their percent-encoded form as well.
    """
    text = without(text, known)
    for pattern, replacement in _CREDENTIALS:
        text = pattern.sub(replacement, text)
    return text


def printable(line: str) -> str:
    """Return one line without terminal escapes; spaces inside it stay (fault 99)."""
    return "".join(c if c.isprintable() else " " for c in line.expandtabs()).rstrip()
