"""The way from the bytes of `slipway.yaml` to a checked configuration and its targets."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from slipway_host.config import Config, Service
from slipway_host.errors import SettingsError, quote

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def load_config(text: str, *, path: str = "slipway.yaml") -> Config:
    """Return the configuration in `text`.

    Raises:
        SettingsError: it is no YAML or not a valid configuration; the message names line, key and,
            for an unknown key, the nearest known one.
    """
    from pydantic import ValidationError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        document: Any = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError(f"{path}:{line}: {quote(str(error.problem), limit=200)}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path}:1: expected keys with values, found {type(document).__name__}")
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        problems = [_sentence(document, problem, path) for problem in error.errors()]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise SettingsError(problems[0] + more) from error


def _line(document: Any, location: tuple[int | str, ...]) -> int:
    """Return the line of the deepest part of `location` that the file has."""
    from ruamel.yaml.comments import CommentedMap

    line, node = 1, document
    for key in location:
        if not isinstance(node, CommentedMap) or key not in node:
            break
        line = node.lc.key(key)[0] + 1
        node = node[key]
    return line


def _sentence(document: Any, problem: ErrorDetails, path: str) -> str:
    location = problem["loc"]
    where = f"{path}:{_line(document, location)}: {'.'.join(str(part) for part in location)}"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), _known_keys(), n=1)
        return f"{where}: unknown key" + (f', did you mean "{near[0]}"?' if near else "")
    if problem["type"] == "missing":
        return f"{where}: this key is required"
    if problem["type"] == "model_type":
        return f"{where}: expected keys with values, got {problem['input']!r}"
    given = "" if isinstance(problem["input"], dict) else f", got {problem['input']!r}"
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}{given}"


def _known_keys() -> list[str]:
    schema = Config.model_json_schema(by_alias=True)
    models = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for model in models for key in model.get("properties", {})})


def find_service(config: Config, name: str) -> tuple[str, Service]:
    """Return one service by name; without a name, the only one there is.

    Raises:
        SettingsError: no such service, or several and no name.
    """
    known = ", ".join(sorted(config.services))
    if not name and len(config.services) == 1:
        return next(iter(config.services.items()))
    if name not in config.services:
        what = f"unknown service {name!r}" if name else "several services"
        raise SettingsError(f"{what}: there are {known}; choose one with --service")
    return name, config.services[name]
