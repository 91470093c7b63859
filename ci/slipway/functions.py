"""`docs/functions.md`: every function of `dagger call` with its arguments, written from the stages."""

import inspect
import sys
import types
import typing
from dataclasses import dataclass
from typing import Any

from dagger import Name

from slipway.main import Slipway
from slipway.stages import discover

HEAD = """\
<!-- Written by `make schema` from ci/slipway/stages: change the docstrings, not this file. -->

# Functions

`dagger call <function> --help` says the same on the command line. Arguments of the whole module stand
before the function: `dagger call --environment=prod deploy --service=api`. Where `.env` beside `dagger.json`
gives an argument, it need not be typed. A flag is `--name` or `--name=false`; a list is given by repeating
its flag or by commas; a secret is an address such as `env://NAME`, `file://path` or `vault://…`, never
the value itself.

All of these act on every call: none is answered from a cache.
"""

GROUPS = {
    "Deploy": ("deploy", "rollback", "hold", "promote", "abort", "rotate", "undo", "resume"),
    "One stage": (
        *("test", "test_reports", "scan", "scan_reports", "build", "image", "push", "sbom", "sign", "verify"),
        *("secrets", "database", "migrate", "gitops", "sync", "smoke", "load"),
    ),
    "Previews": ("preview", "previews", "remove_preview"),
    "Look": ("plan", "status", "diagnose", "history", "record", "report", "logs", "metrics", "kpis", "cost"),
    "Set up": ("init", "init_gitops", "config", "doctor", "rbac"),
}
"""Where each function stands on the page."""

KINDS = {str: "text", int: "number", float: "number", bool: "flag"}


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument of a function, or of the module.

    Args:
        flag: as on the command line, `--changed-since`.
        kind: what it takes, in a word.
        default: as typed; empty where there is none.
        required: it has no default.
        meaning: one line.
    """

    flag: str
    kind: str
    default: str
    required: bool
    meaning: str


def kebab(name: str) -> str:
    """Return a Python name as `dagger call` spells it."""
    return name.replace("_", "-")


def functions() -> dict[str, Any]:
    """Return every function of the stages by its Python name."""
    return {
        name: found
        for stage in discover()
        for name, found in vars(stage).items()
        if not name.startswith("_") and callable(found)
    }


def arguments(function: Any) -> list[Argument]:
    """Return a function's arguments in their order."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return [_argument(one.name, one.annotation, one.default) for one in parameters]


def module_arguments() -> list[Argument]:
    """Return what stands before the function: the arguments of the whole module."""
    hints = typing.get_type_hints(Slipway, include_extras=True)
    return [
        _argument(name, hints[name], field.default)
        for name, field in Slipway.__dataclass_fields__.items()
        if name in hints
    ]


def page() -> str:
    """Return the page.

    Raises:
        KeyError: a function stands in no group, or a group names one that is not there.
    """
    there = functions()
    placed = [name for names in GROUPS.values() for name in names]
    if set(placed) != there.keys():
        raise KeyError(f"no group, or no function: {sorted(set(placed) ^ there.keys())}")
    parts = [HEAD]
    for group, names in GROUPS.items():
        parts.append(f"## {group}\n")
        parts += [_section(name, there[name]) for name in names]
    parts.append("## Arguments of the whole module\n")
    parts.append(_table(module_arguments()))
    return "\n".join(parts)


def _section(name: str, function: Any) -> str:
    text = (inspect.getdoc(function) or "").partition("\n\nRaises:")[0]
    found = arguments(function)
    return f"### {kebab(name)}\n\n{text}\n\n{_table(found)}" if found else f"### {kebab(name)}\n\n{text}\n"


def _table(found: list[Argument]) -> str:
    rows = ["| argument | takes | default | meaning |", "| --- | --- | --- | --- |"]
    for one in found:
        default = "**required**" if one.required else f"`{one.default}`" if one.default else ""
        rows.append(f"| `{one.flag}` | {one.kind} | {default} | {one.meaning} |")
    return "\n".join(rows) + "\n"


def _argument(name: str, annotation: Any, default: Any) -> Argument:
    kind, *marks = typing.get_args(annotation)
    docs = [mark.documentation for mark in marks if hasattr(mark, "documentation")]
    # A word that Python keeps for itself, like `from`, has another name there.
    shown = next((mark.name for mark in marks if isinstance(mark, Name)), name)
    required = default is inspect.Parameter.empty
    return Argument(
        flag=f"--{kebab(shown)}",
        kind=_kind(kind),
        default=str(default) if default and not required and isinstance(default, (str, int)) else "",
        required=required,
        meaning=docs[0],
    )


def _kind(kind: Any) -> str:
    choices = [one for one in typing.get_args(kind) if one is not types.NoneType]
    if isinstance(kind, types.UnionType):
        return _kind(choices[0])
    if typing.get_origin(kind) is list:
        return f"list of {_kind(choices[0])}s"
    return KINDS.get(kind) or str(kind.__name__).lower()


if __name__ == "__main__":
    sys.stdout.write(page())
