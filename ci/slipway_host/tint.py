"""Colours for what a command prints at its end, where somebody looks at it on a terminal."""

from __future__ import annotations

import re

RED, GREEN, YELLOW, FAINT, BOLD, PLAIN = (f"\x1b[{code}m" for code in ("31", "32", "33", "2", "1", "0"))
_COLOURS = {
    "Succeeded": GREEN,
    "Deployed": GREEN,
    "Skipped": FAINT,
    "Failed": RED,
    "Waiting": YELLOW,
    "Inconclusive": YELLOW,
    "WARNING": YELLOW,
    "✓": GREEN,
    "✗": RED,
}
# A status stands in a column of its own, or begins a sentence; the same word in a sentence is only a word.
_STATUS = re.compile(
    rf"(?:(?<=  )|^|(?<=: ))(?:{'|'.join(_COLOURS)})(?=:|$| {{2}}| +[0-9]+\.[0-9] s| [a-z])", re.MULTILINE
)
_SENTENCE = re.compile(r"^(?:Deployed|Nothing to do|Failed|Waiting)\b.*", re.MULTILINE)


def tinted(text: str) -> str:
    """Return text with its statuses in colour; a JSON document in it stays as it is."""
    table, brace, document = text.partition("\n{\n")
    if text.startswith("{"):
        return text
    bold = _SENTENCE.sub(lambda found: f"{BOLD}{found[0]}{PLAIN}", table)
    coloured = _STATUS.sub(lambda found: f"{_COLOURS[found[0]]}{found[0]}{PLAIN}", bold)
    return f"{coloured}{brace}{document}"
