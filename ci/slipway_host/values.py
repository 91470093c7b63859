"""The image in a Helm values file: read, and changed without touching any other byte.

A YAML round trip rewrites indentation, quotes and long lines far from the tag. So the file is
parsed only to learn where the scalar stands; then those bytes are replaced, and the result is
parsed again to prove that this value changed and nothing else did.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from slipway_host.errors import SettingsError, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# Plain scalars that some YAML parser reads as something else than a string. Wider than any one of
# YAML 1.1, YAML 1.2 and Go's rules: a needless pair of quotes costs one commit, once.
_NULL = frozenset({"~", "null", "Null", "NULL"})
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_NUMERIC = re.compile(r"[-+]?(0[xob][0-9a-f_]*|[0-9e._+:-]*|\.?inf|\.?nan)", re.IGNORECASE)


def read_tag(data: bytes) -> str | None:
    """Return `image.tag` as it is spelled in the file, or None where no tag can be read."""
    return _read(data, "tag")


def read_digest(data: bytes) -> str | None:
    """Return `image.digest` as it is spelled in the file, or None where it is absent or empty."""
    return _read(data, "digest")


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
    document = _Document.parse(data, path)
    image = document.image()
    edits = [_replace(document, document.writable(image, "tag"), tag)]
    present = document.find(image, "digest")
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


class _Event(NamedTuple):
    """What matters of one of ruamel's events; `start` and `end` count characters of the text."""

    kind: str
    value: str | None
    anchor: str | None
    tag: str | None
    style: str | bool | None
    start: int
    end: int
    line: int


class _Entry(NamedTuple):
    """One entry of a mapping: indices of the events that start its key and its value."""

    key: int
    value: int


class _Edit(NamedTuple):
    """Characters to replace, and the events that the result has in place of the event `at`."""

    start: int
    end: int
    text: str
    at: int
    events: tuple[str, ...]


@dataclass(frozen=True)
class _Document:
    path: str
    text: str
    events: list[_Event]

    @classmethod
    def parse(cls, data: bytes, path: str) -> _Document:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            text = data.decode("utf-8")
            # Events only: composing or constructing would refuse duplicate keys, which Helm takes.
            events = [
                _Event(
                    type(event).__name__.removesuffix("Event"),
                    getattr(event, "value", None),
                    getattr(event, "anchor", None),
                    str(event.tag) if getattr(event, "tag", None) else None,
                    getattr(event, "style", None) or getattr(event, "flow_style", None),
                    event.start_mark.index,
                    event.end_mark.index,
                    event.start_mark.line + 1,
                )
                for event in YAML(typ="safe", pure=True).parse(text)
            ]
        except UnicodeDecodeError as error:
            raise SettingsError(f"{path}: not UTF-8 at byte {error.start}") from error
        except (YAMLError, ValueError, OverflowError) as error:
            mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
            where = f"{path}:{mark.line + 1}" if mark else path
            problem = getattr(error, "problem", None) or str(error)
            hint = " (it holds a {{ }} template)" if b"{{" in data else ""
            raise SettingsError(f"{where}: not YAML: {quote(problem, limit=200)}{hint}") from error
        return cls(path, text, events)

    def refusal(self, line: int, reason: str) -> SettingsError:
        return SettingsError(f"{self.path}:{line}: {reason}")

    def entries(self, mapping: int) -> Iterator[_Entry]:
        at = mapping + 1
        while self.events[at].kind != "MappingEnd":
            value = self._after(at)
            yield _Entry(at, value)
            at = self._after(value)

    def _after(self, at: int) -> int:
        depth = 0
        while True:
            kind = self.events[at].kind
            depth += kind.endswith("Start")
            depth -= kind.endswith("End")
            at += 1
            if depth == 0:
                return at

    def find(self, mapping: int, name: str) -> _Entry | None:
        found = [
            entry
            for entry in self.entries(mapping)
            if self.events[entry.key].kind == "Scalar" and self.events[entry.key].value == name
        ]
        if len(found) > 1:
            line = self.events[found[1].key].line
            raise self.refusal(line, f"a second key `{name}`: parsers disagree on which one counts")
        return found[0] if found else None

    def _need(self, mapping: int, name: str, full_name: str) -> _Entry:
        entry = self.find(mapping, name)
        if entry is None:
            merged = self.find(mapping, "<<")
            line = self.events[merged.key if merged else mapping].line
            why = "it may come from a merge (<<), which is not edited" if merged else "add it first"
            raise self.refusal(line, f"no `{full_name}` here: {why}")
        return entry

    def image(self) -> int:
        """Return the event that starts the mapping `image`."""
        starts = [i for i, event in enumerate(self.events) if event.kind == "DocumentStart"]
        if not starts:
            raise self.refusal(1, "the file is empty, expected a mapping with image.tag")
        if len(starts) > 1:
            line = self.events[starts[1]].line
            raise self.refusal(line, "a second YAML document, expected one")
        root = starts[0] + 1
        if self.events[root].kind != "MappingStart":
            raise self.refusal(self.events[root].line, "not a mapping, expected one with image.tag")
        image = self._need(root, "image", "image").value
        event = self.events[image]
        if event.kind == "Alias":
            raise self.refusal(event.line, "image is an alias: the edit would change its origin")
        if event.kind != "MappingStart":
            raise self.refusal(event.line, "image is not a mapping, expected one with the key tag")
        shared = {self.events[root].anchor, event.anchor} - {None}
        for other in self.events:
            if other.kind == "Alias" and other.anchor in shared:
                raise self.refusal(other.line, "an alias repeats image: both would change")
        return image

    def is_empty(self, entry: _Entry) -> bool:
        event = self.events[entry.value]
        return event.value == "" or (event.style is None and event.value in _NULL)

    def writable(self, image: int, name: str) -> _Entry:
        """Return the entry `name` of the image: one plain or quoted scalar on one line."""
        entry = self._need(image, name, f"image.{name}")
        event = self.events[entry.value]
        source = self.text[event.start : event.end]
        if self.text.startswith("{{", event.start) or "{{" in source:
            reason = "is a {{ }} template"
        elif event.kind == "Alias":
            reason = "is an alias"
        elif event.kind != "Scalar":
            reason = "is not a scalar, expected a string"
        elif event.anchor is not None:
            reason = "has an anchor"
        elif event.tag is not None:
            reason = "has a YAML type tag"
        elif event.style in {"|", ">"} or "\n" in source:
            reason = "spans several lines"
        else:
            return entry
        raise self.refusal(event.line, f"image.{name} {reason}: it is not overwritten")


def _read(data: bytes, name: str) -> str | None:
    try:
        document = _Document.parse(data, "values")
        entry = document.find(document.image(), name)
    except SettingsError:
        return None
    return document.events[entry.value].value if entry and not document.is_empty(entry) else None


def _replace(document: _Document, entry: _Entry, value: str) -> _Edit | None:
    event = document.events[entry.value]
    plain = event.style is None
    is_string = not plain or not (value.lower() in _WORDS or _NUMERIC.fullmatch(value))
    if event.value == value and is_string:
        return None
    if plain and not event.value:
        # An absent value's mark may lie lines below: its place is behind the key's colon.
        colon = document.text.find(":", document.events[entry.key].end) + 1
        return _Edit(colon, colon, f' "{value}"', entry.value, (value,))
    return _Edit(event.start, event.end, f'"{value}"', entry.value, (value,))


def _append_digest(document: _Document, image: int, digest: str) -> _Edit:
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


def _apply(document: _Document, edits: list[_Edit]) -> bytes:
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
            changed = _Document.parse(data, document.path)
        except SettingsError as error:
            raise refusal from error
        if [event[:4] for event in changed.events] != expected:
            raise refusal
    return data
