"""What the syntax tree of a shell script tells by its shape."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

NO_WORDS = frozenset(
    {"variable_assignment", "file_redirect", "heredoc_redirect", "herestring_redirect", "comment", "(", ")"}
)
CARRIED = frozenset(
    {"pipeline", "list", "redirected_statement", "negated_command", "subshell", "compound_statement"}
)


def shown(node: Node) -> bool:
    """Return whether a command's output is the script's."""
    parent = node.parent
    if parent is None:
        return True
    if parent.type == "pipeline":
        return bool(parent.named_children[-1].id == node.id) and shown(parent)
    return parent.type not in {"redirected_statement", "command_substitution"}


def thrown_away(node: Node) -> set[int]:
    """Return the ids of the parts of `a || true` whose failure is lost."""
    if node.type != "list" or not any(child.type == "||" for child in node.children):
        return set()
    parts = [child for child in node.children if child.is_named]
    if len(parts) < 2 or not re.match(r"(true|:|echo|log_?\w*|warn\w*|printf)\b|:$", text_of(parts[-1])):  # noqa: PLR2004
        return set()
    return {part.id for part in parts[:-1]}


def from_default(node: Node, name: str) -> bool:
    """Return whether a value is `${NAME:-…}`, which the environment may overrule."""
    return any(
        child.type == "expansion"
        and any(one.type == "variable_name" and text_of(one) == name for one in child.children)
        and any(one.type in {":-", "-", ":=", "="} for one in child.children)
        for child in _every(node)
    )


def _every(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _every(child)


def text_of(node: Node) -> str:
    """Return a node as it stands in the script."""
    return (node.text or b"").decode()


def line_of(node: Node) -> int:
    """Return the line in which a node begins, from 1."""
    return node.start_point[0] + 1
