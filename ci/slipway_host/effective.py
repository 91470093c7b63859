"""What counts in one environment, value by value, and where each value comes from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host import environments, targets
from slipway_host.loader import check
from slipway_host.names import Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from slipway_host.config import Config
    from slipway_host.document import Document
    from slipway_host.environments import Layer

DEFAULT = "default"
COLUMN = 60
"""Where the origins stand, unless a value is longer."""

# What YAML reads as the same text without quotes.
PLAIN = re.compile(
    r"(?![0-9+-]|\.[0-9])(?!(?:true|false|null|yes|no|on|off|\.inf|\.nan)$)(?!.*(?:: | #|[ :]$))"
    r"[A-Za-z0-9_./][\w ./@+:={}-]*",
    re.IGNORECASE | re.ASCII,
)
IN_A_LIST = re.compile(r"[A-Za-z/_][\w./@:-]*", re.ASCII)
NO_COMMIT = "0" * 40


@dataclass(frozen=True, kw_only=True)
class Value:
    """One effective value and where it was said."""

    value: Any
    origin: str


Tree = dict[str, Any]
"""Keys with trees or `Value`s."""


def effective(document: Document, environment: str, services: Iterable[str] = ()) -> Tree:
    """Return every value that counts in one environment, defaults filled in.

    Args:
        document: the parsed `slipway.yaml`.
        environment: the environment's name.
        services: which services; without one, all.

    Raises:
        SettingsError: the file is wrong, or has no such environment.
    """
    config = check(document)
    found = _Origins(document=document, layers=environments.layers(config.environments, environment))
    place = config.environment(environment)
    tree = found.model(config, without={"environments", "services", "namespace"})
    for key in ("branch", "mode", "wait"):
        if value := getattr(place, key):
            tree["gitops"][key] = Value(value=value, origin=found.of_environment(key))
    if place.registry:
        tree["registry"] = Value(value=place.registry, origin=found.of_environment("registry"))
    own = {"extends", "services", "app", "namespace", "branch", "mode", "wait", "registry", "build_args"}
    if place.preview is None:
        own.add("preview")
    tree |= {"environment": {"name": Value(value=environment, origin="--environment")}}
    tree["environment"] |= found.model(place, without=own, inherited=True)
    tree["services"] = {
        name: _service(config, found, environment, name) for name in services or config.services
    }
    return tree


def lines(tree: Tree) -> str:
    """Return a tree as YAML, with each value's origin as a comment."""
    rows = list(_rows(tree, ""))
    width = min(COLUMN, max((len(text) for text, origin in rows if origin), default=0))
    return "\n".join(f"{text:<{width}}  # {origin}" if origin else text for text, origin in rows)


@dataclass(frozen=True, kw_only=True)
class _Origins:
    document: Document
    layers: list[Layer]

    def of_file(self, *location: str) -> str:
        """Return file and line, or that it is a default."""
        line = self.document.written(*location)
        return f"{self.document.path}:{line}" if line else DEFAULT

    def of_environment(self, *location: str) -> str:
        """Return the environment that said something, the one that wins first."""
        for layer in reversed(self.layers):
            if not _has(layer.data, location):
                continue
            if layer.built_in:
                return f"built-in {layer.name}"
            line = self.document.written("environments", layer.name, *location)
            return f"environment {layer.name} ({self.document.path}:{line})"
        return DEFAULT

    def model(
        self,
        model: Model,
        *location: str,
        without: Iterable[str] = (),
        inherited: bool = False,
    ) -> Tree:
        """Return a model's values with their origins; `inherited` ones are an environment's."""
        tree: Tree = {}
        for name, field in type(model).model_fields.items():
            if name not in without:
                at = (*location, str(field.alias))
                tree[at[-1]] = self._value(getattr(model, name), at, inherited=inherited)
        return tree

    def _value(self, value: Any, at: tuple[str, ...], *, inherited: bool) -> Any:
        if isinstance(value, Model):
            return self.model(value, *at, inherited=inherited)
        if isinstance(value, dict) and value:
            return {key: self._value(part, (*at, key), inherited=inherited) for key, part in value.items()}
        return Value(value=value, origin=self.of_environment(*at) if inherited else self.of_file(*at))


def _service(config: Config, found: _Origins, environment: str, name: str) -> Tree:
    service = config.services[name]
    # The one place that knows the defaults that follow from other values.
    target = targets.target_of(config, name, environment=environment, commit=NO_COMMIT)
    tree = found.model(service, "services", name)
    _fill(tree, "app", target.app)
    tree["app"] = _application(found, tree["app"], target.app, name)
    _fill(tree["workload"], "name", target.workload_name)
    _fill(tree["secrets"], "name", target.secrets.name)
    if target.database:
        # `database: {}` shows no keys of its own, but it is there.
        _fill(tree["database"], "name", target.database.name)
        _fill(tree["database"], "role", target.database.role)
    own = ("services", name)
    origins = [
        found.of_environment(*own, "namespace") if _said(found, *own, "namespace") else DEFAULT,
        found.of_environment("namespace") if config.environment(environment).namespace else DEFAULT,
        found.of_file(*own, "namespace") if service.namespace else DEFAULT,
        found.of_file("namespace") if config.namespace else DEFAULT,
    ]
    origin = next((one for one in origins if one != DEFAULT), DEFAULT)
    tree["namespace"] = Value(value=target.namespace, origin=origin)
    arguments = config.environment(environment, name).build_args
    over = {
        key: Value(
            value=value,
            origin=found.of_environment(*own, "buildArgs", key)
            if _said(found, *own, "buildArgs", key)
            else found.of_environment("buildArgs", key),
        )
        for key, value in arguments.items()
    }
    if over:
        below = tree["buildArgs"] if isinstance(tree["buildArgs"], dict) else {}
        tree["buildArgs"] = {**below, **over}
    return tree


def _application(found: _Origins, own: Value, app: str, name: str) -> Value:
    """Return the application's name, with the environment that named it where one did."""
    at = ("services", name, "app") if _said(found, "services", name, "app") else ("app",)
    return Value(value=app, origin=found.of_environment(*at)) if _said(found, *at) else own


def _said(found: _Origins, *location: str) -> bool:
    """Tell whether some environment says something other than nothing there; the one that wins counts."""
    for layer in reversed(found.layers):
        if _has(layer.data, location):
            return _at(layer.data, location) is not None
    return False


def _fill(tree: Tree, key: str, value: str) -> None:
    if tree[key].value is None:
        tree[key] = Value(value=value, origin=DEFAULT)


def _at(data: Any, location: tuple[str, ...]) -> Any:
    for key in location:
        data = data[key]
    return data


def _has(data: Any, location: tuple[str, ...]) -> bool:
    for key in location:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


def _rows(tree: Tree, indent: str) -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Value):
            yield f"{indent}{_scalar(key)}: {_yaml(value.value)}", value.origin
        else:
            yield f"{indent}{_scalar(key)}:", ""
            yield from _rows(value, indent + "  ")


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, tuple):
        items = (
            one if IN_A_LIST.fullmatch(one) and PLAIN.fullmatch(one) else json.dumps(one) for one in value
        )
        return f"[{', '.join(items)}]"
    if isinstance(value, float):
        return f"{value:g}"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    return text if PLAIN.fullmatch(text) else json.dumps(text)
