"""The way from the bytes of `slipway.yaml` to a checked configuration."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, get_args

from slipway_host.config import Config
from slipway_host.document import Document, kind, parse
from slipway_host.errors import SettingsError, nearest, quote
from slipway_host.names import SHOWN, Model, described

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "tuple_type": "a list",
    "list_type": "a list",
}
"""What pydantic missed, in words that somebody who never heard of it understands."""

BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def load_config(text: str, *, path: str = "slipway.yaml") -> Config:
    """Return the configuration in `text`.

    Raises:
        SettingsError: it is no YAML or not a valid configuration; the message names line, key and,
            for an unknown key, the nearest one that is allowed there.
    """
    return check(parse(text, path=path))


def check(document: Document) -> Config:
    """Return the configuration in a document.

    Raises:
        SettingsError: it is not a valid one.
    """
    from pydantic import ValidationError

    try:
        return Config.model_validate(document.data)
    except ValidationError as error:
        # A default that follows another field is a consequence of that field's error.
        found = [one for one in error.errors() if one["type"] != "default_factory_not_called"]
        problems = sorted(_sentence(document, problem) for problem in found)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise SettingsError(problems[0][1] + more) from None


def _sentence(document: Document, problem: ErrorDetails) -> tuple[int, str]:
    """Return the line and what is wrong there."""
    location = tuple(part for part in problem["loc"] if part != "[key]")
    if problem["loc"][-1:] == ("[key]",):
        location = (*location[:-1], _key(problem["input"]))
    if problem["type"] == "problem":
        location += tuple(problem["ctx"]["at"])
    line = document.line(*location)
    # No location: the whole file is meant.
    key = quote(".".join(str(part) for part in location), limit=200)
    where = f"{document.path}:{line}: {key}: " if key else f"{document.path}:{line}: "
    return line, where + _cause(document, problem, location)


def _cause(document: Document, problem: ErrorDetails, location: tuple[int | str, ...]) -> str:
    given, context, name = problem["input"], problem.get("ctx", {}), problem["type"]
    if name == "string_type" and problem["loc"][-1] == "[key]":
        return f'this key is {kind(given)}: write it in quotes: "{quote(_key(given), limit=SHOWN)}"'
    match name:
        case "problem":
            words = str(context["sentence"])
        case "extra_forbidden":
            allowed = allowed_keys(location[:-1])
            words = "unknown key" + (
                nearest(str(location[-1]), allowed) or f": there are {', '.join(allowed)}"
            )
        case "missing":
            words = "this key is required"
        case "too_short" | "string_too_short":
            words = "this is empty" + ("; at least one is needed" if name == "too_short" else "")
        case "literal_error":
            choices = re.findall(r"'([^']*)'", context["expected"])
            words = f"expected {' or '.join(choices)}, got {_got(document, location, given)}"
            words += _ignoring_case(given, choices)
        case _ if name in BOUNDS:
            bound, key = BOUNDS[name]
            words = f"{bound} {context[key]}, got {_got(document, location, given)}"
        case _:
            expected = EXPECTED.get(name, problem["msg"])
            words = f"expected {expected}, got {_got(document, location, given, expected)}"
    return words


def _key(given: object) -> str:
    """Return a key as it most likely stands in the file: YAML reads `true` as something else than text."""
    return str(given).lower() if isinstance(given, bool) else str(given)


def _got(document: Document, location: tuple[int | str, ...], given: object, expected: str = "") -> str:
    """Return the wrong value as it stands in the file, and how to write it where that is simple."""
    if given is None:
        hint = ": write {} for the defaults" if expected == EXPECTED["model_type"] else ""
        return f"nothing{hint}"
    if isinstance(given, (dict, list)):
        return kind(given)
    if isinstance(given, str):
        # What a secret was put into by mistake is not to be in a log.
        number = given.isdecimal() and expected in {EXPECTED["int_type"], EXPECTED["float_type"]}
        return described(given) + (": write it without quotes" if number else "")
    text = document.text(*location) or str(given)
    if expected == EXPECTED["string_type"]:
        return f'{kind(given)}: write it in quotes: "{quote(text, limit=SHOWN)}"'
    return quote(text, limit=SHOWN)


def _ignoring_case(given: object, choices: list[str]) -> str:
    lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(given).lower()[:SHOWN], lower, n=1)
    return f', did you mean "{lower[near[0]]}"?' if near else ""


def allowed_keys(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that may stand at a place of `slipway.yaml`, [] where names are free or unknown."""
    found: Any = Config
    for key in location:
        model = _model(found)
        if model is not None:
            fields = {field.alias: field for field in model.model_fields.values()}
            if key not in fields:
                return []
            found = fields[str(key)].annotation
        else:
            # dict[Name, Model]: any name leads to the model.
            found = next((part for part in get_args(found) if _model(part)), None)
    model = _model(found)
    return sorted(str(field.alias) for field in model.model_fields.values()) if model else []


def _model(annotation: Any) -> type[Model] | None:
    """Return the model of `Model` and of `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    parts = get_args(annotation)
    if type(None) in parts:
        return next((model for part in parts if (model := _model(part))), None)
    return None
