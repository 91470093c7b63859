"""A `slipway.yaml` in the making: each value with the place that it comes from."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

Path = tuple[str, ...]
WIDTH = 4096


class Draft:
    """Values by their paths, and what is said of each."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.origins: dict[Path, str] = {}
        self.todos: dict[Path, list[str]] = {}

    def put(self, path: Path, value: Any, origin: str = "") -> None:
        """Set a value unless there is one, with what stands behind it."""
        found = self.data
        for key in path[:-1]:
            found = found.setdefault(key, {})
        if path[-1] in found:
            return
        found[path[-1]] = value
        if origin:
            self.origins[path] = origin

    def get(self, *path: str) -> Any:
        """Return a value, None where there is none."""
        found: Any = self.data
        for key in path:
            if not isinstance(found, dict) or key not in found:
                return None
            found = found[key]
        return found

    def todo(self, path: Path, sentence: str) -> None:
        """Say below a key what somebody has to decide."""
        self.todos.setdefault(path, []).append(sentence)

    def text(self, head: str) -> str:
        """Return the file.

        Args:
            head: its first lines, without the marks of a comment.
        """
        from ruamel.yaml import YAML

        yaml, out = YAML(), io.StringIO()
        yaml.width = WIDTH
        yaml.indent(mapping=2, sequence=4, offset=2)
        whole = self._commented(_ordered(self.data), ())
        for key in list(whole)[1:]:
            if isinstance(whole[key], dict) and whole[key]:
                whole.yaml_set_comment_before_after_key(key, before="\n")
        yaml.dump(whole, out)
        lines = [f"# {line}".rstrip() for line in head.splitlines()]
        return "\n".join(lines) + "\n\n" + self._with_todos(out.getvalue())

    def _commented(self, data: dict[str, Any], at: Path) -> CommentedMap:
        from ruamel.yaml.comments import CommentedMap, CommentedSeq

        found = CommentedMap()
        for key, value in data.items():
            path = (*at, key)
            if isinstance(value, dict) and value:
                found[key] = self._commented(value, path)
            elif isinstance(value, dict):
                found[key] = CommentedMap()
                found[key].fa.set_flow_style()
            elif isinstance(value, (list, tuple)):
                found[key] = CommentedSeq(value)
                found[key].fa.set_flow_style()
            else:
                found[key] = _scalar(value)
            if path in self.origins and not (isinstance(value, dict) and value):
                found.yaml_add_eol_comment(self.origins[path], key, column=0)
        return found

    def _with_todos(self, text: str) -> str:
        """Put each to-do under its key; as text, since a comment alone is no YAML value."""
        lines, at, out = text.splitlines(), list[str](), list[str]()
        left = dict(self.todos)
        for line in lines:
            depth = (len(line) - len(line.lstrip())) // 2
            at = [*at[:depth], line.strip().partition(":")[0].strip("'\"")]
            out.append(line)
            # Below a key with more keys, or none; beside a single value.
            below = line.partition(" #")[0].rstrip().endswith((":", "{}"))
            indent = 2 * depth + (2 if below else 0)
            out += [f"{' ' * indent}# TODO {one}" for one in left.pop(tuple(at), [])]
        return "\n".join(out) + "\n"


def _scalar(value: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    # What YAML would read as a number, a date or a template has to be in quotes.
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z./~][^{}]*", value)
    if isinstance(value, str) and not plain:
        return DoubleQuotedScalarString(value)
    return value


def _ordered(data: dict[str, Any]) -> dict[str, Any]:
    """Return the same in the order of the documentation."""
    from slipway_host.config import Config
    from slipway_host.services import Service

    def sort(found: dict[str, Any], model: type[Config | Service]) -> dict[str, Any]:
        order = [field.alias for field in model.model_fields.values()]
        # At the top, what has one line stands first.
        return dict(
            sorted(
                found.items(),
                key=lambda item: (model is Config and isinstance(item[1], dict), order.index(item[0])),
            )
        )

    services = {name: sort(one, Service) for name, one in data.get("services", {}).items()}
    return sort({**data, "services": services}, Config)
