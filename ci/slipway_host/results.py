"""What a stage returns, and the receipt that a run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a stage ended without failing: failing is an exception."""

    SUCCEEDED = "Succeeded"
    """It acted, and what it acted on is in place."""
    SKIPPED = "Skipped"
    """There was nothing to do: what it would have made is in place already."""
    WAITING = "Waiting"
    """It did its part, and people have to act before the rest can be done: nothing is deployed yet."""
    INCONCLUSIVE = "Inconclusive"
    """It could not find out, and the environment's policy lets the run go on."""


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """The outcome of one stage for one service.

    Args:
        stage: the stage's name, as in `dagger call <stage>`.
        status: whether it acted.
        summary: one line for people.
        outputs: what later stages and the receipt need; JSON values only, never a secret.
    """

    stage: str
    status: Status
    summary: str
    outputs: dict[str, Any] = field(default_factory=dict)
