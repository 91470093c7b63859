"""What a load check has measured, read from Vegeta's JSON report, and what a budget says to it (R26)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host.errors import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway_host.load_config import Budget
    from slipway_host.settings import LoadSettings

NANOSECONDS = 1_000_000
"""In a millisecond: Vegeta's unit in one of ours."""
REACHED = 0.95
"""Share of the requests asked for without which a check has not measured what was asked."""
SHOWN = 3
"""Errors that are quoted."""
_ERRORS = ',"errors":['
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured; latencies in milliseconds, from the request's start to its answer's last byte.

    Args:
        requests: how many were sent.
        rate: the rate at which that was, in requests each second.
        codes: number of answers by HTTP status; 0 is none.
        errors: some of the generator's words about what failed.
    """

    requests: int
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    codes: Mapping[int, int]
    errors: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """Requests without a 2xx answer."""
        return sum(count for code, count in self.codes.items() if not 200 <= code < 300)  # noqa: PLR2004

    @property
    def error_rate(self) -> float:
        """Their share."""
        return self.failed / self.requests

    def unmeasured(self, settings: LoadSettings) -> str:
        """Return why these are no figures of what was asked for; empty where they are."""
        if self.requests >= REACHED * settings.requests:
            return ""
        return (
            f"only {self.requests} of {settings.requests} requests were sent ({self.rate:.4g} of "
            f"{settings.rate_per_s} each second): the pod that sends them is too slow, or waits for its CPU"
        )

    def over(self, budget: Budget) -> tuple[str, ...]:
        """Return the figures that the budget refuses, each with its limit."""
        limits = ((self.p50_ms, budget.p50_ms, "p50"), (self.p95_ms, budget.p95_ms, "p95"),
                  (self.p99_ms, budget.p99_ms, "p99"))  # fmt: skip
        found = [
            f"{name} {value:g} ms (at most {limit:g} ms)"
            for value, limit, name in limits
            if limit is not None and value > limit
        ]
        if self.error_rate > budget.error_rate:
            found.append(
                f"{self.failed} of {self.requests} requests failed, {_percent(self.error_rate)} (at most "
                f"{_percent(budget.error_rate)}{self._answers})"
            )
        return tuple(found)

    @property
    def summary(self) -> str:
        """The figures in a line."""
        return (
            f"{self.requests} requests at {self.rate:.4g}/s: p50 {self.p50_ms:g} ms, p95 {self.p95_ms:g} ms, "
            f"p99 {self.p99_ms:g} ms, {_percent(self.error_rate)} failed"
        )

    def document(self, settings: LoadSettings) -> dict[str, Any]:
        """Return the figures as JSON values, for the receipt."""
        budget = settings.budget.model_dump(by_alias=True, exclude_none=True)
        return {
            "requests": self.requests,
            "askedPerS": settings.rate_per_s,
            "achievedPerS": round(self.rate, 2),
            "durationS": settings.duration_s,
            "failed": self.failed,
            "errorRate": round(self.error_rate, 6),
            "p50Ms": self.p50_ms,
            "p95Ms": self.p95_ms,
            "p99Ms": self.p99_ms,
            "maxMs": self.max_ms,
            "statusCodes": {str(code): count for code, count in sorted(self.codes.items())},
            "budget": budget,
            "withinBudget": not self.over(settings.budget),
            "enforced": settings.enforced,
        }

    @property
    def _answers(self) -> str:
        bad = [(code, n) for code, n in sorted(self.codes.items()) if not 200 <= code < 300]  # noqa: PLR2004
        said = [f"{count} answered {code}" if code else f"{count} not at all" for code, count in bad]
        return "; " + ", ".join([*said, *self.errors])


def read(report: str, settings: LoadSettings) -> Figures | None:
    """Return the figures of Vegeta's `report -type=json`, None where that tells of no request.

    Its list of errors stands last and has one for each port that it asked from, so it may be cut off.
    """
    head, _, errors = report.partition(_ERRORS)
    try:
        found = json.loads(head + "}")
        requests, latencies = int(found["requests"]), found["latencies"]
        codes = {int(code): int(count) for code, count in found["status_codes"].items()}
        seconds = max(float(settings.duration_s), found["duration"] / NANOSECONDS / 1000)
        p50, p95, p99, most = (_milliseconds(latencies[key]) for key in ("50th", "95th", "99th", "max"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not requests:
        return None
    return Figures(
        requests=requests,
        rate=requests / seconds,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=most,
        codes=codes,
        errors=tuple(quote(_plain(text), limit=120) for text in _TEXT.findall(errors)[:SHOWN]),
    )


def _milliseconds(nanoseconds: float) -> float:
    return round(nanoseconds / NANOSECONDS, 2)


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"


def _plain(text: str) -> str:
    """Return a JSON string's text."""
    found: str = json.loads(f'"{text}"', strict=False)
    return found
