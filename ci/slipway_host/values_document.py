"""A Helm values file as its events: where the image stands in it, and what Helm makes of it.

Helm reads values with sigs.k8s.io/yaml: of a key that stands twice, the last counts, and a merge (`<<`)
replaces what stands above it. Other parsers differ in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from slipway_host.errors import SettingsError, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

# Plain scalars that are no value.
_NULL = frozenset({"~", "null", "Null", "NULL"})


class Event(NamedTuple):
    """What matters of one of ruamel's events; `start` and `end` count characters of the text."""

    kind: str
    value: str | None
    anchor: str | None
    tag: str | None
    style: str | bool | None
    start: int
    end: int
    line: int


class Entry(NamedTuple):
    """One entry of a mapping: indices of the events that start its key and its value."""

    key: int
    value: int


@dataclass(frozen=True)
class Document:
    """One values file.

    Args:
        path: how errors name the file.
        text: its text.
        events: what ruamel's parser makes of it.
    """

    path: str
    text: str
    events: list[Event]

    @classmethod
    def parse(cls, data: bytes, path: str) -> Document:
        """Return the file as events.

        Raises:
            SettingsError: it is not UTF-8, or not YAML.
        """
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            text = data.decode("utf-8")
            # Events only: composing or constructing would refuse duplicate keys, which Helm takes.
            events = [
                Event(
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
        """Return an error that names file and line."""
        return SettingsError(f"{self.path}:{line}: {reason}")

    def entries(self, mapping: int) -> Iterator[Entry]:
        """Yield the entries of the mapping that starts at an event."""
        at = mapping + 1
        while self.events[at].kind != "MappingEnd":
            value = self._after(at)
            yield Entry(at, value)
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

    def find(self, mapping: int, name: str) -> Entry | None:
        """Return the entry that Helm reads under a key: of several, the last (fault 67).

        Raises:
            SettingsError: a merge below it has the key, too: then Helm reads that one.
        """
        found: Entry | None = None
        merges: list[Entry] = []
        for entry in self.entries(mapping):
            key = self.events[entry.key]
            if key.kind == "Scalar" and key.value == name:
                found, merges = entry, []
            elif _is_merge(key):
                merges.append(entry)
        if found is not None:
            for merge in merges:
                if self._may_hold(merge.value, name):
                    line = self.events[merge.key].line
                    raise self.refusal(line, f"this merge (<<) is below `{name}`: it wins over it in Helm")
        return found

    def merged(self, mapping: int, name: str) -> Entry | None:
        """Return the last merge that may bring a key into a mapping."""
        merges = [entry for entry in self.entries(mapping) if _is_merge(self.events[entry.key])]
        return next((entry for entry in reversed(merges) if self._may_hold(entry.value, name)), None)

    def _may_hold(self, value: int, name: str) -> bool:
        """Tell whether a merged value has a key; what is not one plain mapping may have any."""
        event = self.events[value]
        if event.kind == "Alias":
            # An anchor may be set anew: the alias means the last one before it.
            origins = [at for at in range(value) if self.events[at].anchor == event.anchor]
            return any(self._may_hold(at, name) for at in origins if self.events[at].kind != "Alias")
        if event.kind != "MappingStart":
            return True
        keys = [self.events[entry.key] for entry in self.entries(value)]
        return any(key.value == name or _is_merge(key) or key.kind != "Scalar" for key in keys)

    def _need(self, mapping: int, name: str, full_name: str) -> Entry:
        entry = self.find(mapping, name)
        if entry is None:
            merged = self.merged(mapping, name)
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

    def is_empty(self, entry: Entry) -> bool:
        """Tell whether an entry has no value, or an empty one."""
        event = self.events[entry.value]
        return event.value == "" or (event.style is None and event.value in _NULL)

    def writable(self, image: int, name: str) -> Entry:
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


def _is_merge(key: Event) -> bool:
    return key.kind == "Scalar" and key.value == "<<" and key.style is None
