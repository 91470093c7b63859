"""`dagger call config`: what counts in an environment, and where each value was said."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from slipway_host.document import parse
from slipway_host.effective import effective, lines
from slipway_host.errors import SettingsError

TEXT = """\
registry: ghcr.io/acme
gitops:
  repository: https://github.com/acme/gitops.git
namespace: acme
environments:
  prod:
    namespace: live
    branch: release
    buildArgs: {MODE: production}
    services:
      ui:
        buildArgs:
          API_URL: https://api.acme.com
  eu:
    extends: prod
    services:
      ui: {namespace: eu, buildArgs: {API_URL: "https://eu.acme.com"}}
services:
  api-server:
    database: {}
    secrets: {generate: {JWT_SECRET: {}}}
    test: {image: "golang:1.24", command: "go test ./... # all: of it", caches: [/go, "/a,b"]}
  ui:
    buildArgs:
      API_URL: http://localhost
      REVISION: "{commit}"
      EMPTY: ""
      NUMBER: "0e12"
      TRUTH: "true"
      DASH: "- a"
      COLON: "a: b"
    dependsOn: [api-server]
"""


def shown(environment: str, text: str = TEXT, services: tuple[str, ...] = ()) -> str:
    return lines(effective(parse(text, path="slipway.yaml"), environment, services))


def origins(environment: str, text: str = TEXT) -> dict[str, str]:
    """Return the origin of each value, by its path."""
    found: dict[str, str] = {}
    path: list[str] = []
    for line in shown(environment, text).splitlines():
        match = re.fullmatch(r"( *)(\S+):(.*?)(?:  +# (.*))?", line)
        assert match, line
        depth = len(match[1]) // 2
        path[depth:] = [match[2]]
        if match[4]:
            found[".".join(path)] = match[4]
    return found


def test_every_value_has_an_origin() -> None:
    for line in shown("eu").splitlines():
        assert line.endswith(":") or "  # " in line


def test_a_value_of_the_file_is_named_by_its_line() -> None:
    dev = origins("dev")
    assert dev["registry"] == "slipway.yaml:1"
    assert dev["services.ui.buildArgs.API_URL"] == "slipway.yaml:25"
    assert dev["services.ui.namespace"] == "slipway.yaml:4"
    assert dev["services.ui.dependsOn"] == "slipway.yaml:32"


def test_a_default_is_called_one() -> None:
    dev = origins("dev")
    for key in ("gitops.branch", "scanner.image", "services.ui.health.port", "services.ui.app"):
        assert dev[key] == "default"
    assert dev["environment.scan.gate"] == "default"


def test_what_is_inherited_names_the_environment_that_says_it() -> None:
    eu = origins("eu")
    assert eu["services.ui.buildArgs.API_URL"] == "environment eu (slipway.yaml:17)"
    assert eu["services.ui.namespace"] == "environment eu (slipway.yaml:17)"
    assert eu["services.ui.buildArgs.MODE"] == "environment prod (slipway.yaml:9)"
    assert eu["services.api-server.namespace"] == "environment prod (slipway.yaml:7)"
    assert eu["gitops.branch"] == "environment prod (slipway.yaml:8)"
    assert eu["services.ui.buildArgs.REVISION"] == "slipway.yaml:26"


def test_built_in_environments_are_named() -> None:
    assert origins("eu")["environment.scan.gate"] == "built-in prod"
    assert origins("prod")["environment.latest"] == "built-in prod"
    assert origins("dev")["environment.latest"] == "built-in dev"


def test_an_override_that_is_taken_away_leaves_the_next_one() -> None:
    text = TEXT.replace("ui: {namespace: eu,", "ui: {namespace: null,")
    assert origins("eu", text)["services.ui.namespace"] == "environment prod (slipway.yaml:7)"


def test_the_page_is_yaml_of_the_values_that_count() -> None:
    found: dict[str, Any] = YAML(typ="safe").load(shown("eu"))
    assert found["environment"] == {
        "name": "eu",
        "latest": False,
        "requireSignature": False,
        "rollback": "manual",
        "scan": {
            "gate": "fail",
            "severity": "CRITICAL",
            "onlyNew": False,
            "fixableOnly": False,
            "failWhenBroken": True,
            "maxDatabaseAgeDays": 7,
            "refuseEndOfLife": False,
        },
        "load": {"gate": "fail"},
        "notifications": {
            "events": ["deployed", "failed", "rolledBack", "waiting"],
            "format": "slack",
            "github": False,
            "url": None,
        },
    }
    ui, api = found["services"]["ui"], found["services"]["api-server"]
    assert ui["buildArgs"] == {
        "API_URL": "https://eu.acme.com",
        "REVISION": "{commit}",
        "EMPTY": "",
        "NUMBER": "0e12",
        "TRUTH": "true",
        "DASH": "- a",
        "COLON": "a: b",
        "MODE": "production",
    }
    assert (ui["namespace"], ui["app"], ui["secrets"]["name"], ui["test"]) == ("eu", "ui", "ui-secrets", None)
    assert api["database"] == {
        "name": "api_server",
        "role": "api_server",
        "extensions": [],
        "readOnly": [],
    }
    assert api["test"]["command"] == "go test ./... # all: of it"
    assert api["test"]["caches"] == ["/go", "/a,b"]


def test_an_application_is_named_by_whoever_named_it() -> None:
    text = TEXT.replace("    branch: release\n", "    branch: release\n    app: live-{app}\n")
    text = text.replace("{namespace: eu,", "{app: shop, namespace: eu,")
    assert "    app: live-ui" in shown("prod", text)
    assert origins("prod", text)["services.ui.app"] == "environment prod (slipway.yaml:9)"
    assert origins("eu", text)["services.ui.app"] == "environment eu (slipway.yaml:18)"
    assert origins("eu", text)["services.api-server.app"] == "environment prod (slipway.yaml:9)"
    assert origins("dev", text)["services.ui.app"] == "default"


def test_only_the_chosen_services_are_shown() -> None:
    found = YAML(typ="safe").load(shown("dev", services=("ui",)))
    assert list(found["services"]) == ["ui"]


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown environment 'live'"):
        shown("live")
