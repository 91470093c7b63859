"""Random values by recipe."""

from __future__ import annotations

import string

import pytest

from slipway_host.config import Generated
from slipway_host.generated import generate


@pytest.mark.parametrize(
    ("recipe", "letters"),
    [
        (Generated(length=16), string.ascii_letters + string.digits),
        (Generated(length=512, alphabet="hex"), "0123456789abcdef"),
        (Generated(length=512, alphabet="base64url"), string.ascii_letters + string.digits + "-_"),
    ],
)
def test_generated_values_follow_their_recipe(recipe: Generated, letters: str) -> None:
    values = [generate(recipe) for _ in range(20)]
    assert all(len(value) == recipe.length for value in values)
    assert set("".join(values)) <= set(letters)
    assert len(set(values)) == 20
    if recipe.length == 512:
        assert set("".join(values)) == set(letters)
