"""Reads the worker's settings from its environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = ("postgres://", "postgresql://")


class SettingsError(Exception):
    """The environment is not what the worker needs; no message holds a value of a secret."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the worker needs to know.

    Args:
        database_url: PostgreSQL's address, with the password.
        port: where `/health` answers.
        poll_s: seconds between two looks at the scores.
        revision: the commit that was built.
    """

    database_url: str = field(repr=False)
    port: int
    poll_s: float
    revision: str


def load(environment: Mapping[str, str]) -> Settings:
    """Return the settings.

    Raises:
        SettingsError: every problem at once.
    """
    problems: list[str] = []

    def number(name: str, default: int, low: int, high: int) -> int:
        text = environment.get(name) or str(default)
        value = int(text) if text.isascii() and text.isdecimal() else -1
        if not low <= value <= high:
            problems.append(f"{name}: want a number from {low} to {high}, got {text!r}")
        return value

    url = environment.get("DATABASE_URL", "")
    if not url.startswith(SCHEMES):
        problems.append("DATABASE_URL: want postgresql://user:password@host:5432/name")
    settings = Settings(
        database_url=url,
        port=number("PORT", 4000, 0, 65535),
        poll_s=number("POLL_SECONDS", 5, 1, 3600),
        revision=environment.get("REVISION") or "unknown",
    )
    if problems:
        raise SettingsError("; ".join(problems))
    return settings
