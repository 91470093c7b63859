"""One service's way through the stages: results, times, what has landed, and its part of the receipt."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slipway_host.errors import DeliveryError
from slipway_host.progress import Step, View, running, view_of
from slipway_host.results import StageResult, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.progress import Report

ORDER = (
    "preflight",
    "test",
    "scan-source",
    "build",
    "scan-image",
    "push",
    "sign",
    "verify",
    "secrets",
    "database",
    "migrate",
    "gitops",
    "hold",
    "resume",
    "sync",
    "rollout",
    "health",
    "smoke",
    "load",
    "proof",
)
"""The chain as people think of it; what runs side by side ends in any order."""
EFFECTS = frozenset(
    {
        *("push", "sign", "secrets", "database", "migrate", "gitops", "sync"),
        *("resume", "undo", "rotate", "hold", "promote", "abort", "preview", "remove-preview"),
    }
)
"""Stages that change something outside the run: what an error message lists as landed."""


def instant(seconds_ago: float = 0) -> str:
    """Return a moment in UTC as ISO 8601 with milliseconds: `2026-11-24T05:15:00.123Z`."""
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds_ago)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_run_id() -> str:
    """Return a name for a run that sorts by time: `20261124T051500-1f3a`."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True, kw_only=True)
class Timed:
    """How a stage ended, a failed one with its error, when it began, and the seconds that it took."""

    stage: str
    outcome: StageResult | DeliveryError
    seconds: float
    started_at: str

    @property
    def status(self) -> str:
        """The result's status, or Failed."""
        return "Failed" if isinstance(self.outcome, DeliveryError) else str(self.outcome.status)

    @property
    def summary(self) -> str:
        """The result's line, or the error's cause."""
        return self.outcome.cause if isinstance(self.outcome, DeliveryError) else self.outcome.summary

    @property
    def outputs(self) -> dict[str, Any]:
        """What it made and found, by name; of a failed one what it had measured."""
        return self.outcome.outputs

    def document(self) -> dict[str, Any]:
        """Return the stage as JSON values."""
        found: dict[str, Any] = {
            "stage": self.stage,
            "status": self.status,
            "startedAt": self.started_at,
            "seconds": round(self.seconds, 2),
            "summary": self.summary,
        }
        if self.outputs:
            found["outputs"] = self.outputs
        return found


@dataclass(kw_only=True)
class Run:
    """Collects what the stages of one service did.

    Args:
        service: key in `slipway.yaml`.
        report: takes one line for people, live.
        next_command: what to type when a stage fails and knows nothing better.
    """

    service: str
    report: Report
    next_command: str
    timed: list[Timed] = field(default_factory=list)
    error: DeliveryError | None = None
    begun: list[str] = field(default_factory=list)
    _steps: dict[str, Step] = field(default_factory=dict)

    @property
    def _view(self) -> View:
        return view_of(self.report)

    async def stage(self, name: str, call: Callable[[], Awaitable[StageResult]]) -> StageResult:
        """Run one stage; an expected failure leaves with stage, what landed and the next command."""
        began = time.monotonic()
        step = self.begin(name)
        try:
            with self._view.inside(step), running(step):
                result = await call()
        except DeliveryError as error:
            self.record(name, error, time.monotonic() - began)
            raise
        self.record(name, result, time.monotonic() - began)
        return result

    def begin(self, name: str) -> Step:
        """Note that a stage is under way, and return it for what is reported of it."""
        self.begun.append(name)
        step = self._steps[name] = Step(self.service, name)
        self._view.began(step)
        return step

    @property
    def under_way(self) -> tuple[str, ...]:
        """Stages with effects that have begun and not ended: of these, anything may have landed."""
        ended = {timed.stage for timed in self.timed}
        return tuple(name for name in self.begun if name in EFFECTS and name not in ended)

    def record(self, name: str, outcome: StageResult | DeliveryError, seconds: float) -> None:
        """Note how a stage ended."""
        if isinstance(outcome, DeliveryError):
            outcome.at(name, landed=self.landed, next_command=self.next_command)
        timed = Timed(stage=name, outcome=outcome, seconds=seconds, started_at=instant(seconds))
        self.timed.append(timed)
        step = self._steps.get(name) or Step(self.service, name)
        self._view.ended(step, timed.status, timed.summary, seconds)

    @property
    def results(self) -> dict[str, StageResult]:
        """The stages that did not fail, by name."""
        return {t.stage: t.outcome for t in self.timed if isinstance(t.outcome, StageResult)}

    @property
    def landed(self) -> tuple[str, ...]:
        """What this run changed, or found in place already, outside itself."""
        found = self.results.items()
        return tuple(f"{name} ({result.summary})" for name, result in found if name in EFFECTS)

    @property
    def changed(self) -> bool:
        """Whether any stage with effects acted."""
        found = self.results.items()
        return any(name in EFFECTS and result.status is Status.SUCCEEDED for name, result in found)

    @property
    def status(self) -> str:
        """Failed, Waiting, Deployed or Unchanged."""
        if self.error:
            return "Failed"
        if any(result.status is Status.WAITING for result in self.results.values()):
            return "Waiting"
        return "Deployed" if self.changed else "Unchanged"

    def document(self, **facts: Any) -> dict[str, Any]:
        """Return the service's part of the receipt as JSON values: facts first, then each stage."""
        ordered = sorted(self.timed, key=lambda timed: ORDER.index(timed.stage))
        return {
            "service": self.service,
            "status": self.status,
            **facts,
            **({"error": str(self.error)} if self.error else {}),
            "stages": [timed.document() for timed in ordered],
        }
