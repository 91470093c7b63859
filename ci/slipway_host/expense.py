"""What a service takes and costs: plain data, and the arithmetic of it, exact to the last digit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from slipway_host.footprint import RESOURCES
from slipway_host.quantities import GIB

if TYPE_CHECKING:
    from slipway_host.footprint import Amounts, Footprint
    from slipway_host.pricing import Prices
    from slipway_host.settings import Target

HOURS = 730
"""Hours of a month: 365 days of 24, by twelve."""


def monthly(amounts: Amounts, prices: Prices) -> Decimal | None:
    """Return what cores and bytes cost in a month; None where one of them has no bound."""
    if any(name not in amounts for name in RESOURCES):
        return None
    hour = amounts["cpu"] * Decimal(str(prices.cpu_core_hour))
    hour += amounts["memory"] / GIB * Decimal(str(prices.memory_gib_hour))
    return hour * HOURS


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """How many pods there are to be.

    Args:
        now: what the workload asks for.
        least: what an autoscaler may go down to; `now` without one.
        most: what it may go up to.
        autoscaler: its name, empty without one.
    """

    now: int
    least: int
    most: int
    autoscaler: str = ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What the last rollout changed in what a pod takes, by the pod templates of two revisions.

    Args:
        earlier: number of the revision before.
        later: number of the revision now.
        before: what a pod took.
        after: what a pod takes.
    """

    earlier: int
    later: int
    before: Footprint
    after: Footprint

    @property
    def differs(self) -> bool:
        """Whether requests or limits are others."""
        return (self.before.requests, self.before.limits) != (self.after.requests, self.after.limits)

    def per_pod(self, prices: Prices) -> Decimal:
        """Return what a pod costs more in a month; less than 0 for less."""
        before, after = monthly(self.before.requests, prices), monthly(self.after.requests, prices)
        return (after or Decimal(0)) - (before or Decimal(0))


@dataclass(frozen=True, kw_only=True)
class Expense:
    """What one service takes and costs.

    Args:
        target: the service.
        prices: what is paid.
        example: the prices are nobody's.
        pod: what a pod takes; None where `problem` says why nobody knows.
        replicas: how many there are.
        change: of the last rollout; None without an earlier revision.
        share: of what all nodes offer, by resource: a ratio of what `replicas.now` pods request.
        unknown: what could not be read, a sentence each.
        problem: why nothing is known; else empty.
    """

    target: Target
    prices: Prices
    example: bool
    pod: Footprint | None = None
    replicas: Replicas = Replicas(now=0, least=0, most=0)
    change: Change | None = None
    share: dict[str, float] | None = None
    unknown: tuple[str, ...] = ()
    problem: str = ""

    def cost(self, which: str, count: int) -> Decimal | None:
        """Return what `requests` or `limits` of that many pods cost in a month; None for no bound."""
        if self.pod is None:
            return None
        one = monthly(getattr(self.pod, which), self.prices)
        return None if one is None else one * count
