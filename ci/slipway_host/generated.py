"""Random values by recipe."""

from __future__ import annotations

import secrets
import string

from slipway_host.config import Generated

PASSWORD = Generated(length=32)
"""Of a database: letters and digits, so that no client has to quote them; 190 bits are enough."""
_ALPHABETS = {
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "base64url": string.ascii_letters + string.digits + "-_",
}


def generate(recipe: Generated) -> str:
    """Return a random value by a recipe."""
    return "".join(secrets.choice(_ALPHABETS[recipe.alphabet]) for _ in range(recipe.length))
