"""R2: environments, what they inherit, and that nothing publishes `latest` in prod."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from slipway_host.config import Config
from slipway_host.environments import Environment, Scan, key_of
from slipway_host.errors import SettingsError


def config(**environments: Any) -> Config:
    return Config.model_validate(
        {
            "registry": "ghcr.io/acme",
            "gitops": {"repository": "https://github.com/acme/gitops"},
            "services": {"api": {}, "ui": {"buildArgs": {"URL": "local"}}},
            "environments": environments,
        }
    )


def wrong(**environments: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config(**environments)
    return str(caught.value)


def test_dev_and_prod_are_there_without_being_written() -> None:
    prod, dev = config().environment("prod"), config().environment("dev")
    assert (prod.scan.gate, prod.scan.severity, prod.latest) == ("fail", "CRITICAL", False)
    assert (dev.scan.gate, dev.latest) == ("report", True)


def test_what_is_written_of_prod_is_put_over_the_built_in_one() -> None:
    prod = config(prod={"namespace": "live"}).environment("prod")
    assert (prod.namespace, prod.scan.gate, prod.latest) == ("live", "fail", False)
    prod = config(prod={"scan": {"severity": "HIGH"}}).environment("prod")
    assert (prod.scan.gate, prod.scan.severity) == ("fail", "HIGH")


def test_what_is_written_of_dev_is_put_over_the_built_in_one() -> None:
    assert config(dev={"branch": "dev"}).environment("dev").latest is True
    assert config(dev={"latest": False}).environment("dev").latest is False


def test_an_environment_of_no_parent_reports_and_has_no_latest() -> None:
    staging = config(staging={}).environment("staging")
    assert (staging.scan.gate, staging.latest) == ("report", False)


def test_inheritance_goes_key_by_key_over_any_number_of_steps() -> None:
    found = config(
        base={"buildArgs": {"A": "1", "B": "1"}, "scan": {"severity": "LOW"}, "namespace": "x"},
        middle={"extends": "base", "buildArgs": {"B": "2"}, "scan": {"gate": "fail"}},
        top={"extends": "middle", "buildArgs": {"C": "3"}, "namespace": None},
    ).environment("top")
    assert found.build_args == {"A": "1", "B": "2", "C": "3"}
    assert (found.scan.gate, found.scan.severity, found.namespace) == ("fail", "LOW", None)


def test_a_built_in_environment_can_be_inherited_from() -> None:
    eu = config(eu={"extends": "prod", "namespace": "eu"}).environment("eu")
    assert (eu.scan.gate, eu.scan.fail_when_broken, eu.latest) == ("fail", True, False)


def test_dev_that_extends_something_else_is_only_that() -> None:
    found = config(dev={"extends": "base"}, base={"scan": {"gate": "fail"}}).environment("dev")
    assert (found.scan.gate, found.latest) == ("fail", False)


@pytest.mark.parametrize("latest", [True, False, None])
@pytest.mark.parametrize("parent", ["", "dev", "loose", "eu"])
def test_no_path_publishes_latest_in_prod(parent: str, latest: bool | None) -> None:  # noqa: FBT001 - a parameter
    prod: dict[str, Any] = {"latest": latest} if latest is not None else {}
    if parent:
        prod["extends"] = parent
    others = {"loose": {"extends": "dev", "latest": True, "scan": {"gate": "report"}}}
    if latest:
        assert "never publishes `latest`" in wrong(prod=prod, eu={}, **others)
        return
    found = config(prod=prod, eu={}, **others).environment("prod")
    assert found.latest is False
    assert found.scan.gate == "fail"


def test_what_extends_prod_never_publishes_latest() -> None:
    chain = {"eu": {"extends": "prod"}, "eu-north": {"extends": "eu", "latest": True}}
    assert "eu-north extends prod, which never publishes `latest`" in wrong(**chain)


def test_prod_can_loosen_its_gate_only_by_its_own_words() -> None:
    assert config(prod={"scan": {"gate": "report"}}).environment("prod").scan.gate == "report"
    loose = {"loose": {"scan": {"gate": "report"}}}
    assert config(prod={"extends": "loose"}, **loose).environment("prod").scan.gate == "fail"


@pytest.mark.parametrize(
    "environments",
    [
        {"a": {"extends": "a"}},
        {"a": {"extends": "b"}, "b": {"extends": "a"}},
        {"prod": {"extends": "prod"}},
        {"prod": {"extends": "eu"}, "eu": {"extends": "prod"}},
    ],
)
def test_a_circle_is_refused(environments: dict[str, Any]) -> None:
    assert "in a circle" in wrong(**environments)


def test_an_unknown_parent_is_answered_with_the_nearest() -> None:
    assert 'did you mean "prod"' in wrong(eu={"extends": "prd"})


def test_a_service_s_override_stays_with_the_service() -> None:
    found = config(
        prod={
            "buildArgs": {"MODE": "live"},
            "namespace": "live",
            "services": {"ui": {"buildArgs": {"URL": "https://api"}, "namespace": "web"}},
        },
        eu={"extends": "prod", "services": {"ui": {"buildArgs": {"URL": "https://eu"}}}},
    )
    ui, api = found.environment("prod", "ui"), found.environment("prod", "api")
    assert (ui.build_args, ui.namespace) == ({"MODE": "live", "URL": "https://api"}, "web")
    assert (api.build_args, api.namespace) == ({"MODE": "live"}, "live")
    eu = found.environment("eu", "ui")
    assert (eu.build_args, eu.namespace) == ({"MODE": "live", "URL": "https://eu"}, "web")
    assert found.environment("prod").build_args == {"MODE": "live"}


def test_an_override_of_nothing_takes_an_inherited_one_away() -> None:
    found = config(
        a={"namespace": "a", "services": {"ui": {"namespace": "web"}}},
        b={"extends": "a", "services": {"ui": {"namespace": None}}},
    )
    assert found.environment("b", "ui").namespace == "a"


def test_an_override_of_an_unknown_service_is_answered_with_the_nearest() -> None:
    assert 'did you mean "api"' in wrong(dev={"services": {"apy": {}}})


def test_an_unknown_environment_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match='dev, prod, staging, did you mean "staging"'):
        config(staging={}).environment("stagin")


@pytest.mark.parametrize("name", ["../../x", "-rf", "x" * 5000, "a\nb", ""])
def test_a_hostile_environment_is_named_in_short_and_on_one_line(name: str) -> None:
    with pytest.raises(SettingsError, match="unknown environment") as caught:
        config().environment(name)
    assert len(caught.value.cause) < 200
    assert "\n" not in caught.value.cause


@pytest.mark.parametrize(("gate", "said"), list(itertools.product(["report", "fail"], [None, True, False])))
def test_a_broken_scanner_stops_where_findings_do_unless_told_otherwise(gate: str, said: bool | None) -> None:  # noqa: FBT001 - a parameter
    more = {} if said is None else {"failWhenBroken": said}
    scan = Scan.model_validate({"gate": gate, **more})
    assert scan.fail_when_broken is (gate == "fail" if said is None else said)


def test_a_child_that_only_sets_the_gate_fails_when_broken() -> None:
    found = config(a={"scan": {"severity": "HIGH"}}, b={"extends": "a", "scan": {"gate": "fail"}})
    assert found.environment("a").scan.fail_when_broken is False
    assert found.environment("b").scan.fail_when_broken is True
    assert Environment().scan.fixable_only is False


def test_age_of_the_database_is_limited_where_the_gate_fails_unless_said_otherwise() -> None:
    assert config().environment("prod").scan.max_database_age_days == 7
    assert config().environment("dev").scan.max_database_age_days is None
    unlimited = config(prod={"scan": {"maxDatabaseAgeDays": None}})
    assert unlimited.environment("prod").scan.max_database_age_days is None
    assert "greater than or equal to 1" in wrong(prod={"scan": {"maxDatabaseAgeDays": 0}})


PATTERNS: dict[str, Any] = {
    "pr-*": {"extends": "dev", "namespace": "previews-{environment}"},
    "pr-big-*": {"namespace": "big-{environment}"},
    "pr-7": {"namespace": "seven"},
}


@pytest.mark.parametrize(
    ("name", "key"),
    [("pr-1", "pr-*"), ("pr-big-1", "pr-big-*"), ("pr-7", "pr-7"), ("pr-big", "pr-*"), ("prod", "prod")],
)
def test_an_environment_is_its_own_words_or_those_of_the_longest_pattern(name: str, key: str) -> None:
    assert key_of(PATTERNS, name) == key


@pytest.mark.parametrize("name", ["pr-", "pr", "qa-1", "pr-1/x", "pr-A", "pr-1-", "PR-1", f"pr-{'1' * 61}"])
def test_what_no_pattern_fits_is_unknown(name: str) -> None:
    with pytest.raises(SettingsError, match="unknown environment"):
        config(**PATTERNS).environment(name)


def test_a_pattern_inherits_as_any_environment() -> None:
    found = config(**PATTERNS).environment("pr-1")
    assert (found.latest, found.namespace) == (True, "previews-{environment}")


def test_a_pattern_itself_is_no_environment() -> None:
    with pytest.raises(SettingsError, match="is a pattern of environments"):
        config(**PATTERNS).environment("pr-*")
