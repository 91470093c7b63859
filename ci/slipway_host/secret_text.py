"""A secret's text as somebody hands it over, and what cannot be one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from pydantic import SecretStr

SHORTEST = 4
"""Characters; masking something shorter would blank innocent words all over the log (fault 12)."""


def secret_of(name: str, text: str, *, multiline: bool = False) -> SecretStr | None:
    """Return a secret, None where it is empty: a CI passes one that does not exist as an empty one.

    Args:
        name: its variable's name, for the error.
        text: as it was given.
        multiline: whether line ends belong to it (a private key).

    Raises:
        SettingsError: it begins or ends with white space, or is too short (faults 11 and 12).
    """
    from pydantic import SecretStr

    if multiline:
        text = text.strip()
    if not text:
        return None
    if text != text.strip():
        raise SettingsError(f"{name} starts or ends with white space; a line end is part of the file?")
    if len(text) < SHORTEST:
        raise SettingsError(f"{name} has fewer than {SHORTEST} characters: that is no secret")
    return SecretStr(text)
