"""A YAML file as its author sees it: values, and the line and the very text of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host.errors import SettingsError, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.nodes import Node

MERGE = "tag:yaml.org,2002:merge"
# What the scanner says of a tab, in its own words.
TAB = "'\\t'"
PLAIN_WORDS = {
    "mapping values are not allowed here": "a second `:` in one line, or a line that is indented too far",
    "but found another document": "the file holds a second document (`---`); only one is read",
    "expected the node content, but found '<stream end>'": "a [ or { is never closed",
    "found unexpected end of stream": "a quote is never closed",
    "expected <block end>, but found '<block mapping start>'": "this line is indented otherwise than those "
    "it belongs to",
    "expected <block end>, but found '<scalar>'": "text goes on after a closed quote: write a quote "
    "inside quotes twice",
    "expected <block end>, but found '?'": "keys and a list (`- …`) stand side by side",
    "expected ',' or '}', but got ':'": "a { is never closed, or a comma is missing",
    "could not find expected ':'": "this is neither a key with a value nor an item of a list",
}


@dataclass(frozen=True, kw_only=True)
class Document:
    """One YAML file.

    Args:
        path: its name, for messages.
        data: its content as plain Python values.
        root: the same as nodes, which know their lines.
    """

    path: str
    data: dict[str, Any]
    root: Node

    def line(self, *location: str | int) -> int:
        """Return the line of the deepest part of `location` that the file has."""
        line, node = 1, self.root
        for key in location:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
        return line

    def written(self, *location: str | int) -> int | None:
        """Return the line of `location`, None where the file does not say anything there."""
        line, node = 1, self.root
        for key in location:
            found = _child(node, key)
            if found is None:
                return None
            line, node = found
        return line

    def text(self, *location: str | int) -> str | None:
        """Return a value as it stands in the file, None where it is not a single one."""
        node = self.root
        for key in location:
            found = _child(node, key)
            if found is None:
                return None
            node = found[1]
        return node.value if isinstance(node.value, str) else None


def parse(text: str, *, path: str) -> Document:
    """Read a YAML file of keys with values.

    Raises:
        SettingsError: it is something else, or has one key twice; the message names the line.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if root is not None:
            for key, first, again in _repeated(root, (), set()):
                raise SettingsError(f"{path}:{again}: {key}: written twice, first in line {first}")
        data: Any = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        raise SettingsError(f"{path}:{_explained(text, error)}") from error
    except (YAMLError, RecursionError) as error:
        raise SettingsError(f"{path}:1: {quote(str(error), limit=200)}") from error
    except ValueError as error:
        # A date that is none, like 2024-13-45.
        raise SettingsError(f"{path}:1: {quote(str(error), limit=200)}: write it in quotes") from error
    if data is None:
        raise SettingsError(f"{path}:1: the file is empty")
    if not isinstance(data, dict):
        raise SettingsError(f"{path}:1: expected keys with values, found {kind(data)}")
    return Document(path=path, data=data, root=root)


def kind(value: object) -> str:
    """Return what a value is, in the words of whoever wrote the file."""
    if value is None:
        return "nothing"
    words = {dict: "keys with values", list: "a list", str: "text", bool: "true or false"}
    words |= {int: "a number", float: "a number"}
    return words.get(type(value), f"a {type(value).__name__}")


def _explained(text: str, error: MarkedYAMLError) -> str:
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    lines = text.splitlines()
    said = str(error.problem)
    here = lines[line - 1] if line <= len(lines) else ""
    if TAB in said or "\t" in here[: len(here) - len(here.lstrip())]:
        return f"{line}: a tab; YAML is indented by spaces"
    start = re.fullmatch(r"found character '(.)' that cannot start any token", said)
    if start:
        return f"{line}: a value that starts with {start[1]} has to be in quotes"
    return f"{line}: {PLAIN_WORDS.get(said, quote(said, limit=200))}"


def _pairs(node: Node) -> Iterator[tuple[Node, Node]]:
    from ruamel.yaml.nodes import MappingNode

    if isinstance(node, MappingNode):
        yield from node.value


def _child(node: Node, key: str | int) -> tuple[int, Node] | None:
    """Return line and value of a key or an item; keys that are merged in (`<<`) count, too."""
    from ruamel.yaml.nodes import SequenceNode

    if isinstance(node, SequenceNode):
        if isinstance(key, int) and key < len(node.value):
            return node.value[key].start_mark.line + 1, node.value[key]
        return None
    for name, value in _pairs(node):
        if name.value == str(key):
            return name.start_mark.line + 1, value
    for name, value in _pairs(node):
        if name.tag == MERGE or name.value == "<<":
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                found = _child(source, key)
                if found is not None:
                    return found
    return None


def _repeated(node: Node, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[str, int, int]]:
    """Find keys that stand twice in one mapping: key, first line, second line."""
    from ruamel.yaml.nodes import SequenceNode

    if id(node) in seen:
        return
    seen.add(id(node))
    lines: dict[str, int] = {}
    for name, value in _pairs(node):
        key, line = str(name.value), name.start_mark.line + 1
        if key in lines:
            yield ".".join([*path, quote(key, limit=80)]), lines[key], line
        lines[key] = line
        yield from _repeated(value, (*path, quote(key, limit=80)), seen)
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from _repeated(item, path, seen)
