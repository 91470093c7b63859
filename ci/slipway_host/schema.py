"""The JSON Schema of `slipway.yaml`, for editors."""

from __future__ import annotations

import json
import sys
from typing import Any

from slipway_host.config import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# A name, not an address: the file is found wherever the project lies.
IDENTITY = "urn:slipway:slipway.yaml:1"


def json_schema() -> dict[str, Any]:
    """Return the schema, as a dictionary."""
    found = Config.model_json_schema(by_alias=True)
    definitions = found.pop("$defs")
    for model in (found, *definitions.values()):
        for field in model.get("properties", {}).values():
            _only_named_keys(field)
    head = {"$schema": DIALECT, "$id": IDENTITY, **found, "title": "slipway.yaml"}
    return {**head, "$defs": definitions}


def schema_text() -> str:
    """Return the schema as the file that is checked in."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _only_named_keys(field: dict[str, Any]) -> None:
    """Refuse keys that match no pattern: JSON Schema takes them otherwise."""
    if "patternProperties" in field:
        field["additionalProperties"] = False
        field.pop("propertyNames", None)


if __name__ == "__main__":
    sys.stdout.write(schema_text())
