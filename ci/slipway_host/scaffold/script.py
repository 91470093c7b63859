"""A shell script, read without ever running it: its variables as far as that goes, and its commands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.scaffold.secretive import is_secret
from slipway_host.scaffold.shell_tree import (
    CARRIED,
    NO_WORDS,
    from_default,
    line_of,
    shown,
    text_of,
    thrown_away,
)

if TYPE_CHECKING:
    from tree_sitter import Node

COMMIT, TAG = "{commit}", "{tag}"
"""What stands for the commit's hash, as in `buildArgs`."""
_HASH = re.compile(r"git\s+rev-parse\s+(?:--verify\s+)?(--short(?:=\d+)?\s+)?\"?HEAD\"?")
_CUT = re.compile(r"\|\s*cut\s+-c\s*-?1?-?\d+|\|\s*head\s+-c")
LIST = "it is a list"
GIVEN = {"GITHUB_SHA": COMMIT, "CI_COMMIT_SHA": COMMIT, "CI_COMMIT_SHORT_SHA": TAG}
"""Variables that a CI sets, by what they hold."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One assignment.

    Args:
        name: the variable's.
        line: where it stands, from 1.
        value: what it holds; None where only a run would tell.
        why: why it is None.
        default: the value counts only where the environment has no other.
    """

    name: str
    line: int
    value: str | None
    why: str = ""
    default: bool = False


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command.

    Args:
        words: program and arguments; None is one that only a run would tell.
        raw: the same as they stand there, without quotes around the whole.
        lines: of each word.
        text: the whole of it, as it stands there.
        ignored: its failure is thrown away, as by `|| true`.
        shown: its output goes to the log, not into a pipe, a file or a variable.
    """

    words: tuple[str | None, ...]
    raw: tuple[str, ...]
    lines: tuple[int, ...]
    text: str
    ignored: bool = False
    shown: bool = True

    @property
    def line(self) -> int:
        """Where it begins."""
        return self.lines[0]

    @property
    def program(self) -> str:
        """The program's name without its folder."""
        return (self.words[0] or "").rpartition("/")[2] if self.words else ""


@dataclass(frozen=True, kw_only=True)
class Script:
    """What stands in a script.

    Args:
        name: its file name, for people.
        variables: every assignment, in order; what is assigned twice is there twice.
        commands: every command, in order, also those in functions and substitutions.
        faults: lines that are no shell.
    """

    name: str
    variables: tuple[Variable, ...]
    commands: tuple[Command, ...]
    faults: tuple[int, ...]

    def first(self, *names: str) -> Variable | None:
        """Return the first assignment with a value to any of the names, the first name first."""
        for name in names:
            for variable in self.variables:
                if variable.name == name and variable.value:
                    return variable
        return None


def read(text: str, *, name: str) -> Script:
    """Return what stands in a script; nothing of it is run."""
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    tree = Parser(Language(tree_sitter_bash.language())).parse(text.encode())
    reader = _Reader()
    reader.walk(tree.root_node)
    return Script(
        name=name,
        variables=tuple(reader.variables),
        commands=tuple(reader.commands),
        faults=tuple(dict.fromkeys(reader.faults)),
    )


class _Reader:
    """Walks a syntax tree in the order of the text."""

    def __init__(self) -> None:
        self.variables: list[Variable] = []
        self.commands: list[Command] = []
        self.faults: list[int] = []
        self._known: dict[str, str | None] = dict(GIVEN)

    def walk(self, node: Node, *, ignored: bool = False) -> None:
        if node.is_missing or node.type == "ERROR":
            self.faults.append(line_of(node))
        match node.type:
            case "variable_assignment":
                self._assign(node)
            case "command":
                self._command(node, ignored=ignored)
            case "array":
                # What is collected for a command.
                self._command(node, ignored=ignored)
            case "expansion":
                self._default(node)
        last = thrown_away(node)
        for child in node.children:
            # Of a pipeline and of `a && b || true`, every part's failure is lost.
            self.walk(child, ignored=(ignored and node.type in CARRIED) or child.id in last)

    def _assign(self, node: Node) -> None:
        name_node, value_node = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name_node is None or name_node.type != "variable_name":
            return
        name = text_of(name_node)
        value, why = self.value(value_node) if value_node else ("", "")
        added = any(child.type == "+=" for child in node.children)
        if added:
            value, why = None, "it is added to"
        default = value_node is not None and from_default(value_node, name)
        self.variables.append(Variable(name=name, line=line_of(node), value=value, why=why, default=default))
        # What is set twice is what a run makes of it; the first is what people read as the setting.
        self._known.setdefault(name, value)

    def _default(self, node: Node) -> None:
        """`${X:=y}` assigns, too."""
        kinds = [child.type for child in node.children]
        if ":=" not in kinds and "=" not in kinds:
            return
        name = next((text_of(child) for child in node.children if child.type == "variable_name"), "")
        value, why = self.value(node)
        self.variables.append(Variable(name=name, line=line_of(node), value=value, why=why, default=True))
        self._known.setdefault(name, value)

    def _command(self, node: Node, *, ignored: bool) -> None:
        parts = [child for child in node.children if child.type not in NO_WORDS]
        words = tuple(self.value(part)[0] for part in parts)
        raw = tuple(text_of(part).strip().strip("\"'") for part in parts)
        if parts:
            self.commands.append(
                Command(
                    words=words,
                    raw=raw,
                    lines=tuple(line_of(part) for part in parts),
                    text=text_of(node),
                    ignored=ignored,
                    shown=shown(node),
                )
            )

    def value(self, node: Node) -> tuple[str | None, str]:
        """Return what a word holds without running anything, and why not where that is unknown."""
        text = text_of(node)
        match node.type:
            case "word" | "number" | "variable_name":
                found = re.sub(r"\\(\n|.)", lambda one: "" if one[1] == "\n" else one[1], text), ""
            case "string_content":
                found = re.sub(r'\\([$`"\\])', r"\1", text), ""
            case "raw_string":
                found = text[1:-1], ""
            case "string" | "translated_string" | "concatenation" | "command_name":
                return self._joined(node)
            case "expansion":
                return self._expansion(node)
            case "simple_expansion":
                # Blanks before it belong to the string around it, and here to the node.
                name = text.lstrip()
                known, why = self._variable(name[1:])
                return (None if known is None else text[: -len(name)] + known), why
            case "command_substitution":
                return _substituted(text)
            case _:
                return None, LIST if node.type == "array" else f"it is a {node.type.replace('_', ' ')}"
        return found

    def _joined(self, node: Node) -> tuple[str | None, str]:
        parts: list[str] = []
        last = node.start_byte + (1 if node.type == "string" else 0)
        whole = node.text or b""
        for child in node.children:
            if child.type == '"' or not child.is_named:
                if child.type != '"':
                    parts.append(text_of(child))
                    last = child.end_byte
                continue
            # Blanks between two expansions belong to the string and to no node.
            parts.append(whole[last - node.start_byte : child.start_byte - node.start_byte].decode())
            found, why = self.value(child)
            if found is None:
                return None, why
            parts.append(found)
            last = child.end_byte
        if node.type == "string":
            parts.append(whole[last - node.start_byte : -1].decode())
        return "".join(parts), ""

    def _variable(self, name: str) -> tuple[str | None, str]:
        if (found := self._known.get(name)) is not None:
            return found, ""
        if name in self._known:
            return None, f"it depends on {name}"
        if re.fullmatch(r"[0-9@*#?$!-]+", name):
            return None, f"it is an argument of the script (${name})"
        return None, f"{name} comes from the environment"

    def _expansion(self, node: Node) -> tuple[str | None, str]:
        name = next((text_of(child) for child in node.children if child.type == "variable_name"), "")
        operators = [child.type for child in node.children if not child.is_named and child.type not in "${}"]
        if not operators:
            return self._variable(name)
        operator, known = operators[0], self._known.get(name)
        if operator in {":-", "-", ":=", "="}:
            if known:
                return known, ""
            rest = [child for child in node.children if child.is_named and child.type != "variable_name"]
            return self.value(rest[0]) if rest else ("", "")
        if known and operator in {":?", "?"}:
            return known, ""
        if known == COMMIT and operator == ":":
            return TAG, ""
        return None, f"{_quoted(text_of(node)) or 'it'} takes a run to tell"


def _substituted(text: str) -> tuple[str | None, str]:
    found = _HASH.search(text)
    if found:
        return (TAG if found[1] or _CUT.search(text) else COMMIT), ""
    inside = " ".join(text.removeprefix("$(").removesuffix(")").strip("`").split())
    return None, f"it takes a run of {_quoted(inside) or 'a command'}"


def _quoted(text: str) -> str:
    """Return what stands in a script for a message, "" where it holds a secret."""
    return "" if is_secret("", text) else f"`{text[:60]}`"
