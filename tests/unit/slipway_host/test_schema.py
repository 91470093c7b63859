"""What editors and readers get is made from the models, and is not stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from slipway_host import receipt_model
from slipway_host.loader import load_config
from slipway_host.reference import HEAD, reference
from slipway_host.schema import json_schema, schema_text

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").rglob("slipway.yaml"))


def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("schema/slipway.schema.json", schema_text),
        ("schema/receipt.schema.json", receipt_model.schema_text),
        ("docs/configuration.md", reference),
    ],
)
def test_what_is_checked_in_is_fresh(path: str, text: Any) -> None:
    assert (ROOT / path).read_text() == text(), "the models changed: run `make schema`"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_valid_for_editors_and_for_slipway(path: Path) -> None:
    validator().validate(YAML(typ="safe").load(path.read_text()))
    load_config(path.read_text())


def test_there_are_examples() -> None:
    assert EXAMPLES


def test_every_yaml_of_the_page_is_valid() -> None:
    blocks = HEAD.split("```yaml\n")[1:]
    assert blocks
    for block in blocks:
        text = block.partition("```")[0]
        whole = {
            "registry": "a",
            "gitops": {"repository": "https://a/b"},
            "services": {"api": {}},
            **YAML(typ="safe").load(text),
        }
        validator().validate(whole)


@pytest.mark.parametrize(
    "more",
    [
        {"registri": "a"},
        {"services": {}},
        {"services": {"Api": {}}},
        {"services": {"api": {"health": {"port": "4000"}}}},
        {"services": {"api": {"buildArgs": {"A-B": "x"}}}},
        {"services": {"api": {"dependsOn": "ui"}}},
        {"environments": {"a": {"scan": {"gate": "maybe"}}}},
        {"gitops": {"repository": "http://a/b"}},
    ],
)
def test_editors_are_told_of_what_slipway_refuses(more: dict[str, Any]) -> None:
    whole = {"registry": "a", "gitops": {"repository": "https://a/b"}, "services": {"api": {}}}
    assert validator().is_valid(whole)
    assert not validator().is_valid({**whole, **more})


def test_every_key_is_explained() -> None:
    schema = json_schema()
    for name, model in {"Config": schema, **schema["$defs"]}.items():
        for key, field in model["properties"].items():
            assert field.get("description"), f"{name}.{key} has no description"
            assert f"`{key}`" in reference()
