"""One run of the pipeline: its stages' results and times, what has landed, and the receipt."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slipway_host.errors import DeliveryError
from slipway_host.results import StageResult, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.progress import Report

RECEIPT_VERSION = 1
ORDER = (
    "config",
    "preflight",
    "test",
    "scan-source",
    "build",
    "scan-image",
    "push",
    "secrets",
    "database",
    "gitops",
    "sync",
    "rollout",
    "health",
    "proof",
)
"""The chain as people think of it; what runs side by side ends in any order."""
EFFECTS = frozenset({"push", "secrets", "database", "gitops", "sync"})
"""Stages that change something outside the run: what an error message lists as landed."""


def new_run_id() -> str:
    """Return a name for a run that sorts by time: `20261124T051500-1f3a`."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A stage's result with the seconds that it took."""

    result: StageResult
    seconds: float


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
    run_id: str = field(default_factory=new_run_id)
    timed: list[Timed] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    async def stage(self, name: str, call: Callable[[], Awaitable[StageResult]]) -> StageResult:
        """Run one stage; an expected failure leaves with stage, what landed and the next command."""
        began = time.monotonic()
        self.report(f"{self.service} {name}: started".strip())
        try:
            result = await call()
        except DeliveryError as error:
            raise error.at(name, landed=self.landed, next_command=self.next_command) from error
        seconds = time.monotonic() - began
        self.timed.append(Timed(result=result, seconds=seconds))
        self.report(f"{self.service} {name}: {result.status} in {seconds:.1f} s, {result.summary}")
        return result

    @property
    def landed(self) -> tuple[str, ...]:
        """What this run changed, or found in place already, outside itself."""
        return tuple(
            f"{timed.result.stage} ({timed.result.summary})"
            for timed in self.timed
            if timed.result.stage in EFFECTS
        )

    @property
    def changed(self) -> bool:
        """Whether any stage with effects acted."""
        return any(
            timed.result.stage in EFFECTS and timed.result.status is Status.SUCCEEDED for timed in self.timed
        )

    def receipt(self, **facts: Any) -> dict[str, Any]:
        """Return the run as JSON values: facts first, then each stage."""
        stages = [
            {
                "stage": timed.result.stage,
                "status": str(timed.result.status),
                "seconds": round(timed.seconds, 2),
                "summary": timed.result.summary,
                **({"outputs": timed.result.outputs} if timed.result.outputs else {}),
            }
            for timed in sorted(self.timed, key=lambda timed: ORDER.index(timed.result.stage))
        ]
        return {
            "receiptVersion": RECEIPT_VERSION,
            "run": self.run_id,
            "service": self.service,
            **facts,
            "changed": self.changed,
            "seconds": round(time.monotonic() - self._began, 2),
            "stages": stages,
        }


def summary(receipt: dict[str, Any]) -> str:
    """Return a receipt as a table for people, with one sentence below it."""
    rows = [
        (row["stage"], row["status"], f"{row['seconds']:.1f} s", row["summary"]) for row in receipt["stages"]
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"  {stage:<{widths[0]}}  {status:<{widths[1]}}  {seconds:>{widths[2]}}  {text}"
        for stage, status, seconds, text in rows
    ]
    return "\n".join([*lines, "", conclusion(receipt)])


def conclusion(receipt: dict[str, Any]) -> str:
    """Return what a run came to, in one sentence."""
    what = f"{receipt['app']} {receipt['tag']}"
    where = f"in {receipt['environment']}, namespace {receipt['namespace']}"
    proven = f"{receipt['readyPods']} ready pod(s) run {receipt['digest'][:19]}…"
    if not receipt["changed"]:
        return f"Nothing to do: {what} runs already {where}; {proven}"
    return f"Deployed {what} {where} in {receipt['seconds']:.1f} s; {proven}"


def to_json(receipt: dict[str, Any]) -> str:
    """Return a receipt as one JSON document, keys in the order in which things happened."""
    return json.dumps(receipt, indent=2, ensure_ascii=False)
