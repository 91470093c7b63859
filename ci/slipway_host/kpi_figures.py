"""KPIs against their targets, with the window before, and by day.

Medians are what is compared with a target: one build that hung says little of the others.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from slipway_host import kpi_measures
from slipway_host.kpi_measures import sample
from slipway_host.kpi_report import Day, Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from slipway_host.deployments import Story
    from slipway_host.kpi_measures import Measured, Sample, Window
    from slipway_host.kpi_report import Standing, Trend, Unit
    from slipway_host.kpi_targets import KpiTargets

T = TypeVar("T")
SAME = 0.05
"""A change by less than this share is none."""


@dataclass(frozen=True, kw_only=True)
class Kpi:
    """How one KPI is called, measured and compared."""

    name: str
    title: str
    unit: Unit
    sign: Literal["<", "≤", ">", "≥"]
    target: Callable[[KpiTargets], float]
    measure: Callable[[Sample], Measured]


KPIS = (
    Kpi(
        name="buildTime",
        title="Build time",
        unit="seconds",
        sign="<",
        target=lambda t: t.build_time_s,
        measure=kpi_measures.build_time,
    ),
    Kpi(
        name="deployTime",
        title="Deploy time",
        unit="seconds",
        sign="<",
        target=lambda t: t.deploy_time_s,
        measure=kpi_measures.deploy_time,
    ),
    Kpi(
        name="successRate",
        title="Success rate",
        unit="ratio",
        sign=">",
        target=lambda t: t.success_rate,
        measure=kpi_measures.success_rate,
    ),
    Kpi(
        name="failedDeploymentRecoveryTime",
        title="Failed deployment recovery time",
        unit="seconds",
        sign="<",
        target=lambda t: t.recovery_time_s,
        measure=kpi_measures.recovery_time,
    ),
    Kpi(
        name="deploymentFrequency",
        title="Deployment frequency",
        unit="perDay",
        sign="≥",
        target=lambda t: t.deployments_per_day,
        measure=kpi_measures.deployment_frequency,
    ),
    Kpi(
        name="changeLeadTime",
        title="Change lead time",
        unit="seconds",
        sign="<",
        target=lambda t: t.lead_time_s,
        measure=kpi_measures.lead_time,
    ),
    Kpi(
        name="changeFailRate",
        title="Change fail rate",
        unit="ratio",
        sign="≤",
        target=lambda t: t.change_fail_rate,
        measure=kpi_measures.change_fail_rate,
    ),
)


def figures(stories: Sequence[Story], window: Window, targets: KpiTargets) -> tuple[Figure, ...]:
    """Return all KPIs of a window, of one service or of several together, with those of the window before."""
    now, then = sample(stories, window), sample(stories, window.before())
    found = []
    for kpi in KPIS:
        measured, earlier, target = kpi.measure(now), kpi.measure(then), kpi.target(targets)
        better: Literal["lower", "higher"] = "lower" if kpi.sign in "<≤" else "higher"
        figure = Figure(
            name=kpi.name,
            title=kpi.title,
            unit=kpi.unit,
            target=target,
            sign=kpi.sign,
            better=better,
            status=_standing(measured.value, kpi.sign, target),
            previous=earlier.value,
            previous_count=earlier.count,
            trend=_trend(earlier.value, measured.value, better),
            **vars(measured),
        )
        found.append(figure)
    return tuple(found)


def _standing(value: float | None, sign: str, target: float) -> Standing:
    if value is None:
        return "unknown"
    met = {"<": value < target, "≤": value <= target, ">": value > target, "≥": value >= target}[sign]
    return "met" if met else "missed"


def _trend(before: float | None, now: float | None, better: str) -> Trend:
    if before is None or now is None:
        return "unknown"
    if abs(now - before) <= SAME * max(abs(before), abs(now)):
        return "same"
    return "better" if (now < before) == (better == "lower") else "worse"


def days(stories: Sequence[Story], window: Window) -> tuple[Day, ...]:
    """Return each day of a window, the first and the last as far as they belong to it."""
    found = sample(stories, window)
    empty = {}
    date = window.since.astimezone(dt.UTC).date()
    while date <= window.until.astimezone(dt.UTC).date():
        empty[date] = Day(date=date.isoformat())
        date += dt.timedelta(days=1)
    for date, group in _by_day(found.events, lambda event: event.at):
        deployments = [event for event in group if event.kind == "deployment"]
        empty[date] = replace(
            empty[date],
            deployments=len(deployments),
            rollbacks=len(group) - len(deployments),
            failed=sum(event.failed for event in deployments),
            lead_seconds=_median([one for event in deployments for one in event.lead_s]),
        )
    for date, runs in _by_day(found.runs, lambda run: run.finished):
        deploys = [run for run in runs if not run.rollback]
        deploy_seconds = [run.deploy_s for run in deploys if run.deployed and run.deploy_s is not None]
        empty[date] = replace(
            empty[date],
            runs=len(deploys),
            failed_runs=sum(not run.deployed for run in deploys),
            build_seconds=_median([run.build_s for run in runs if run.build_s is not None]),
            deploy_seconds=_median(deploy_seconds),
        )
    return tuple(empty.values())


def _by_day(items: Sequence[T], when: Callable[[T], dt.datetime]) -> list[tuple[dt.date, list[T]]]:
    def key(item: T) -> dt.date:
        return when(item).astimezone(dt.UTC).date()

    return [(date, list(group)) for date, group in groupby(sorted(items, key=key), key=key)]


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
