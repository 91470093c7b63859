"""The image in a Helm values file: read, and changed without touching any other byte.

A YAML round trip rewrites indentation, quotes and long lines far from the tag. So the file is
parsed only to learn where the scalar stands; then those bytes are replaced, and the result is
parsed again to prove that this value changed and nothing else did.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from slipway_host.errors import SettingsError
from slipway_host.values_document import Document, Entry

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# Plain scalars that some YAML parser reads as something else than a string. Wider than any one of
# YAML 1.1, YAML 1.2 and Go's rules: a needless pair of quotes costs one commit, once.
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_NUMERIC = re.compile(r"[-+]?(0[xob][0-9a-f_]*|[0-9e._+:-]*|\.?inf|\.?nan)", re.IGNORECASE)


def read_tag(data: bytes) -> str | None:
    """Return `image.tag` as it is spelled in the file, or None where no tag can be read."""
    return _read(data, "tag")


def read_digest(data: bytes) -> str | None:
    """Return `image.digest` as it is spelled in the file, or None where it is absent or empty."""
    return _read(data, "digest")


def read_repository(data: bytes) -> str | None:
    """Return `image.repository` as it is spelled in the file, or None where it is absent or empty."""
    return _read(data, "repository")


def check_tag(data: bytes, path: str) -> None:
    """Refuse a file whose tag Helm cannot read as the string that it looks like.

    Raises:
        SettingsError: there is no tag, or a plain one that is a number; names path, line and reason.
    """
    document = Document.parse(data, path)
    entry = document.find(document.image(), "tag")
    if entry is None:
        raise SettingsError(f"{path} has no image.tag")
    event = document.events[entry.value]
    if event.style is None and event.value and not is_plain_string(event.value):
        raise document.refusal(event.line, f"image.tag {event.value} is not quoted, and no string to Helm")


def set_image(data: bytes, *, tag: str, digest: str | None, path: str) -> bytes:
    """Return the file with `image.tag`, and on request `image.digest`, as double-quoted strings.

    Every other byte stays: comments, indentation, line endings, byte-order mark. A file that names
    the image already comes back unchanged, unless its plain tag is a number to some parser
    (`1234e567`).

    Args:
        data: the file's bytes, UTF-8.
        tag: the image tag.
        digest: `sha256:…`; a line is added below the tag where the file has no such key. None
            leaves the file without one, and refuses a file that has one: it pins the old image.
        path: how errors name the file.

    Raises:
        SettingsError: the file's shape does not allow the edit; names path, line and reason.
    """
    if not TAG.fullmatch(tag):
        raise SettingsError(f"{path}: {tag[:80]!r} is not an image tag")
    if digest is not None and not DIGEST.fullmatch(digest):
        raise SettingsError(f"{path}: {digest[:80]!r} is not a digest, expected sha256:<64 hex>")
    document = Document.parse(data, path)
    image = document.image()
    edits = [_replace(document, document.writable(image, "tag"), tag)]
    present = document.find(image, "digest")
    merged = None if present else document.merged(image, "digest")
    if merged:
        raise document.refusal(
            document.events[merged.key].line,
            "image.digest may come from this merge (<<) and keep the old image running",
        )
    if digest is None:
        if present and not document.is_empty(present):
            raise document.refusal(
                document.events[present.key].line,
                "image.digest would keep the old image running: the new digest is needed too",
            )
    elif present:
        edits.append(_replace(document, document.writable(image, "digest"), digest))
    else:
        edits.append(_append_digest(document, image, digest))
    return _apply(document, [edit for edit in edits if edit is not None])


def quoted(value: str) -> str:
    """Return a tag or a digest as the file has it: neither can hold what a quoted string would escape."""
    return f'"{value}"'


def is_plain_string(value: str) -> bool:
    """Tell whether every parser reads an unquoted scalar as the string that it looks like."""
    return not (value.lower() in _WORDS or _NUMERIC.fullmatch(value))


class _Edit(NamedTuple):
    """Characters to replace, and the events that the result has in place of the event `at`."""

    start: int
    end: int
    text: str
    at: int
    events: tuple[str, ...]


def _read(data: bytes, name: str) -> str | None:
    try:
        document = Document.parse(data, "values")
        entry = document.find(document.image(), name)
    except SettingsError:
        return None
    return document.events[entry.value].value if entry and not document.is_empty(entry) else None


def _replace(document: Document, entry: Entry, value: str) -> _Edit | None:
    event = document.events[entry.value]
    plain = event.style is None
    if event.value == value and (not plain or is_plain_string(value)):
        return None
    if plain and not event.value:
        # An absent value's mark may lie lines below: its place is behind the key's colon.
        colon = document.text.find(":", document.events[entry.key].end) + 1
        return _Edit(colon, colon, f" {quoted(value)}", entry.value, (value,))
    return _Edit(event.start, event.end, quoted(value), entry.value, (value,))


def _append_digest(document: Document, image: int, digest: str) -> _Edit:
    text = document.text
    entry = document.writable(image, "tag")
    key, value = document.events[entry.key], document.events[entry.value]
    events = ("digest", digest)
    if document.events[image].style is True:
        return _Edit(value.end, value.end, f', digest: "{digest}"', entry.value, events)
    indent = text[text.rfind("\n", 0, key.start) + 1 : key.start]
    if indent.strip(" "):
        raise document.refusal(key.line, "image.tag does not start its line: add image.digest")
    line = f'{indent}digest: "{digest}"'
    newline = "\r\n" if "\r\n" in text else "\n"
    end = text.find("\n", key.end) + 1
    if not end:
        return _Edit(len(text), len(text), newline + line, entry.value, events)
    newline = "\r\n" if text[:end].endswith("\r\n") else "\n"
    return _Edit(end, end, line + newline, entry.value, events)


def _apply(document: Document, edits: list[_Edit]) -> bytes:
    text = document.text
    expected: list[tuple[object, ...]] = [event[:4] for event in document.events]
    for edit in sorted(edits, key=lambda edit: (edit.at, edit.start), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
        # One event: it takes the place of the old value. Two, key and value: they follow it.
        first = edit.at if len(edit.events) == 1 else edit.at + 1
        after = edit.at + 1
        expected[first:after] = [("Scalar", value, None, None) for value in edit.events]
    data = text.encode("utf-8")
    if edits:
        line = document.events[edits[0].at].line
        refusal = document.refusal(line, "the image cannot be edited without changing more than it")
        try:
            changed = Document.parse(data, document.path)
        except SettingsError as error:
            raise refusal from error
        if [event[:4] for event in changed.events] != expected:
            raise refusal
    return data
