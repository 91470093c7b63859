"""Where the keys of a service's Secret come from: one source each, and parts that exist."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

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
