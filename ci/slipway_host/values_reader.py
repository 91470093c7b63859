"""The image in many versions of a few values files, without parsing each of them.

A parser written in Python takes milliseconds for a file, and a branch has thousands of versions of one that
differ in the tag alone. What was parsed once tells where the scalars stand; a version that has the same
bytes everywhere else, and such scalars in their places, can mean nothing else.
"""

from __future__ import annotations

import re
from collections import deque

from slipway_host import values
from slipway_host.errors import SettingsError
from slipway_host.values_document import Document

SHAPES = 4
"""Of each file, how many are remembered: a branch that changes back and forth needs two."""
_DIGEST = rb"sha256:[0-9a-f]{64}"
_TAG = rb"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
# A plain null is no tag, though it looks like one.
_NOT_NULL = rb"(?!(?:null|Null|NULL)(?![A-Za-z0-9_.-]))"
_BEFORE, _AFTER = (" ", "\n"), (" ", "\n", "\r", "")
"""What stands around a scalar that may be quoted or not and stays one of its own."""


class ValuesReader:
    """Reads what `values.read_tag` and `values.read_digest` read, and remembers the shapes of files."""

    def __init__(self) -> None:
        self.parsed = 0
        """How many files had to be parsed."""
        self._shapes: dict[str, deque[re.Pattern[bytes]]] = {}

    def read(self, path: str, data: bytes) -> tuple[str, str]:
        """Return tag and digest of one version of a file; "" for what it does not name.

        What no registry takes for a tag has never run, a template or somebody's mistake: then both are "".
        """
        shapes = self._shapes.setdefault(path, deque(maxlen=SHAPES))
        for shape in shapes:
            if found := shape.fullmatch(data):
                names = found.groupdict(b"")
                return names["tag"].decode(), names.get("digest", b"").decode()
        self.parsed += 1
        tag, digest, pattern = _parse(data)
        if pattern:
            shapes.appendleft(pattern)
        return tag, digest


def _parse(data: bytes) -> tuple[str, str, re.Pattern[bytes] | None]:
    try:
        document = Document.parse(data, "values")
        image = document.image()
        entry = document.find(image, "tag")
    except SettingsError:
        return "", "", None
    if entry is None or document.is_empty(entry):
        return "", "", None
    tag = document.events[entry.value]
    if not values.TAG.fullmatch(tag.value or ""):
        return "", "", None
    holes = [(tag.start, tag.end, "tag", _TAG)]
    try:
        pinned = document.find(image, "digest")
    except SettingsError:
        return tag.value or "", "", None
    digest = ""
    if pinned and not document.is_empty(pinned):
        event = document.events[pinned.value]
        digest = event.value or ""
        holes.append((event.start, event.end, "digest", _DIGEST))
    return tag.value or "", digest, _pattern(document.text, sorted(holes))


def _pattern(text: str, holes: list[tuple[int, int, str, bytes]]) -> re.Pattern[bytes] | None:
    """Return what matches the same file with other values; None where a value is not plainly written."""
    parts, at = [], 0
    for start, end, name, content in holes:
        source = text[start:end]
        quote = source[:1] if source[:1] in {'"', "'"} else ""
        inner = source[len(quote) : len(source) - len(quote)]
        if not re.fullmatch(content, inner.encode()):
            return None
        free = text[start - 1 : start] in _BEFORE and text[end : end + 1] in _AFTER
        mark = b"[\"']?" if free else quote.encode()
        guard = _NOT_NULL if name == "tag" and (free or not quote) else b""
        parts += [
            re.escape(text[at:start].encode()),
            f"(?P<{name}_quote>".encode() + mark + b")",
            guard,
            f"(?P<{name}>".encode() + content + b")",
            f"(?P={name}_quote)".encode(),
        ]
        at = end
    return re.compile(b"".join([*parts, re.escape(text[at:].encode())]))
