"""`docs/configuration.md`: every key of `slipway.yaml`, written from the models."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from pydantic import WithJsonSchema

from slipway_host import names
from slipway_host.schema import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """\
<!-- Written by `make schema` from ci/slipway_host: change the models, not this file. -->

# slipway.yaml

One file in the root of the services' repository. This is a whole one; all the rest has defaults:

```yaml
# yaml-language-server: $schema=<address of this repository's files>/schema/slipway.schema.json
registry: ghcr.io/acme
gitops:
  repository: https://github.com/acme/devops-k8s.git
services:
  api: {}
```

The first line makes editors complete and check the file as it is typed. It may also name a path to
[the schema](../schema/slipway.schema.json).

`dagger call config` prints what counts in an environment, value by value, each with its origin: a line of the
file, an environment that it is inherited from, or the default. Unknown keys, repeated keys and values of the
wrong kind are errors with their line. Text that YAML would read as something else needs quotes: `"0e12"`,
`"2024-01-01"`, `"true"`.

## Environments

`dev` and `prod` are there without being written. As a file, they would read:

```yaml
environments:
  dev:
    latest: true
  prod:
    latest: false
    scan:
      gate: fail
    load:
      gate: fail
```

- What a file says of `dev` or `prod` is put over these, key by key: `prod: {namespace: live}` still fails on
  findings.
- `extends: <environment>` inherits from another one in the same way, over any number of steps. `prod` that
  extends something else keeps the built-in `prod` on top; `dev` that extends something else is only that.
- `prod`, and what extends it, never publishes `latest`.
- `null` takes an inherited value away: `namespace: null`.
- A key like `pr-*` is for every environment of that kind, as `--environment=pr-42` names one: a name of its
  own wins over a pattern, a longer pattern over a shorter one. [Previews](previews.md) are made of such.

Where several places say something of a service, the first of these wins:

1. `environments.<environment>.services.<service>`
2. `environments.<environment>`
3. `services.<service>`
4. `namespace` of the file; else it is the application's name

This holds for each build argument by itself.

An argument that only one service may have belongs to that service:

```yaml
services:
  api: {}
  ui:
    buildArgs:
      NEXT_PUBLIC_API_URL: http://localhost:4000
environments:
  prod:
    services:
      ui:
        buildArgs:
          NEXT_PUBLIC_API_URL: https://api.acme.com
  prod-eu:
    extends: prod
    namespace: acme-eu
    services:
      ui:
        buildArgs:
          NEXT_PUBLIC_API_URL: https://api.eu.acme.com
```
"""

DEFAULT = re.compile(r"(?:^|; )default: (?P<default>.*)$")
ARTICLE = re.compile(r"^an? ")
# What the names in a path of keys stand for.
FREE = {"environments": "<environment>", "services": "<service>", "generate": "<KEY>"}


def reference() -> str:
    """Return the page."""
    schema = json_schema()
    sections = [HEAD]
    for path, model in _models(schema, (), schema):
        title = f"`{'.'.join(path)}`" if path else "Keys of the file"
        text = model["description"] if path else _legend()
        sections.append(f"## {title}\n\n{text}\n\n{_table(model)}\n")
    return "\n".join(sections)


def _models(
    schema: dict[str, Any], path: tuple[str, ...], model: dict[str, Any]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    yield path, model
    for key, field in model["properties"].items():
        for kind in _alternatives(field):
            for part, where in ((kind, (key,)), (_values(kind), (key, FREE.get(key, "<name>")))):
                if "$ref" in part:
                    yield from _models(schema, (*path, *where), _resolved(part, schema))


def _alternatives(field: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a field may be, apart from nothing."""
    return [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]


def _values(field: dict[str, Any]) -> dict[str, Any]:
    """Return what stands under the free names of a field, {} where it has none."""
    found: list[dict[str, Any]] = list(field.get("patternProperties", {}).values())
    return found[0] if found else {}


def _resolved(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][field["$ref"].rpartition("/")[2]]
    return found


def _legend() -> str:
    long = sorted({ARTICLE.sub("", kind) for kind in _kinds().values() if "(" in kind})
    kinds = "\n".join(f"- {kind.replace(' (', ': ', 1).rstrip(')')}" for kind in long)
    return f"What is not **required** may be left out. Of the types,\n\n{kinds}"


def _table(model: dict[str, Any]) -> str:
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, field in model["properties"].items():
        kind = " or ".join(_kind(part) for part in _alternatives(field))
        text = field.get("description", "")
        said = DEFAULT.search(text)
        default = said["default"] if said else _default(field, required=key in model.get("required", []))
        meaning = DEFAULT.sub("", text)
        rows.append(f"| `{key}` | {kind} | {default} | {meaning} |")
    return "\n".join(rows)


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return "keys below"
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"])
    match field["type"]:
        case "array":
            kind = f"list: {_kind(field['items'])}"
        case "object":
            inner = _values(field)
            kind = f"map of {_kind(inner)}" if inner else "map"
        case "integer" | "number":
            kind = f"number, {field['minimum']} to {field['maximum']}"
        case "boolean":
            kind = "`true`, `false`"
        case _:
            kind = _kinds().get(field.get("pattern", ""), "text")
    return ARTICLE.sub("", kind.partition(" (")[0])


def _default(field: dict[str, Any], *, required: bool) -> str:
    if required:
        return "**required**"
    if "$ref" in field:
        return "its defaults"
    value = field.get("default", {})
    return (
        "none"
        if value is None or value in ({}, [])
        else f"`{value if isinstance(value, str) else json.dumps(value)}`"
    )


def _kinds() -> dict[str, str]:
    """Return what a text with a pattern is, by the pattern."""
    marks = [mark for kind in vars(names).values() for mark in getattr(kind, "__metadata__", ())]
    schemas = [mark.json_schema for mark in marks if isinstance(mark, WithJsonSchema) and mark.json_schema]
    return {schema["pattern"]: schema["description"] for schema in schemas}


if __name__ == "__main__":
    sys.stdout.write(reference())
