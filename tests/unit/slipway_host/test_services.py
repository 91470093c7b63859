"""What a service's keys may say: a Secret's one source each, a load check that can measure."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from slipway_host.load_config import Load
from slipway_host.services import Secrets, Service


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"compose": {"A": "{passwrd}"}}, 'did you mean "password"'),
        ({"compose": {"A": " "}}, "an empty value is no secret"),
        ({"compose": {"A": "{url}"}, "generate": {"A": {}}}, "A is generated as well"),
        ({"given": ["A"], "generate": {"A": {}}}, "A has another source as well"),
        ({"given": ["A", "A"]}, "listed twice"),
        ({"generate": {"JWT_SECRET": {"length": 31}}}, "HS256 needs at least 32 characters"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Secrets.model_validate(keys)


def test_keys_are_composed_of_a_database_only() -> None:
    with pytest.raises(ValidationError, match="there is no `database`"):
        Service.model_validate({"secrets": {"compose": {"A": "{url}"}}})
    assert Service.model_validate({"database": {}, "secrets": {"compose": {"A": "{url}"}}}).database


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"path": "scores"}, "a path that starts with /"),
        ({"path": "/a b"}, "a path that starts with /"),
        ({"path": "/a\nGET http://elsewhere/"}, "a path that starts with /"),
        ({"ratePerS": 0}, "greater than or equal to 1"),
        ({"ratePerS": 10_001}, "less than or equal to 10000"),
        ({"durationS": 3601}, "less than or equal to 3600"),
        ({"budget": {"errorRate": 1.1}}, "less than or equal to 1"),
        ({"budget": {"p95Ms": 10_001}}, "less than or equal to 10000"),
        ({"budget": {"p95": 100}}, "Extra inputs"),
        ({"cpu": "1"}, "thousandths of a core, like 500m"),
        ({"image": "a; b"}, "image"),
        ({"runAsUser": 0}, "greater than or equal to 1"),
        (
            {"budget": {"p95Ms": 9}, "durationS": 1},
            "p95 of 10 requests is that of the slowest one: there have to be 20",
        ),
        (
            {"budget": {"p99Ms": 9}, "durationS": 9},
            "p99 of 90 requests is that of the slowest one: there have to be 100",
        ),
    ],
)
def test_a_load_check_that_cannot_be_meant_is_refused(keys: dict[str, Any], why: str) -> None:
    asked = {"path": "/", "ratePerS": 10}
    assert Load.model_validate({**asked, "budget": {"p50Ms": 9}, "durationS": 1}).budget.p50_ms == 9
    assert Load.model_validate({**asked, "budget": {"p99Ms": 9}, "durationS": 10}).budget.p99_ms == 9
    with pytest.raises(ValidationError, match=why):
        Load.model_validate({**asked, **keys})
