"""R1: one typed configuration; unknown keys are refused with line and nearest key."""

import pytest

from slipway_host.errors import SettingsError
from slipway_host.loader import find_service, load_config

GOOD = """\
registry: registry.example.com:5000/mosuon
gitops:
  repository: https://git.example.com/mosuon/gitops.git
services:
  api:
    health:
      port: 4000
"""


def test_under_ten_lines_are_a_whole_configuration() -> None:
    config = load_config(GOOD)
    assert config.gitops.branch == "main"
    assert config.services["api"].health.path == "/health"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "    health:",
            "    helth:",
            'slipway.yaml:6: services.api.helth: unknown key, did you mean "health"?',
        ),
        ("port: 4000", "port: abc", "slipway.yaml:7: services.api.health.port:"),
        ("registry: registry.example.com:5000/mosuon\n", "", "registry: this key is required"),
        ("  api:", "  ../../x:", "is not a DNS label"),
        ("services:", "services: [", "slipway.yaml:"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_config(GOOD.replace(old, new))
    assert expected in caught.value.cause


def test_prod_cannot_publish_latest() -> None:
    # R2: in prod, `latest` never.
    with pytest.raises(SettingsError, match="prod never publishes"):
        load_config(GOOD + "environments:\n  prod:\n    latest: true\n")


def test_an_unknown_service_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="there are api"):
        find_service(load_config(GOOD), "apo")


def test_the_only_service_needs_no_name() -> None:
    assert find_service(load_config(GOOD), "")[0] == "api"
