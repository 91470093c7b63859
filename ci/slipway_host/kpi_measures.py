"""What KPIs are measured of: the events and runs of a window, by DORA's definitions where there is one.

https://dora.dev/guides/dora-metrics/ has those. Percentiles are by nearest rank, so that each is a time
that was really taken.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.deployment_event import Event, RunFacts
    from slipway_host.deployments import Story

DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True)
class Window:
    """From when to when, UTC; its first moment belongs to the window before."""

    since: dt.datetime
    until: dt.datetime

    @classmethod
    def of(cls, days: int, until: dt.datetime) -> Window:
        """Return the days before a moment."""
        return cls(since=until - dt.timedelta(days=days), until=until)

    def before(self) -> Window:
        """Return the window of the same length that ends where this one begins."""
        return Window(since=self.since - (self.until - self.since), until=self.since)

    def has(self, moment: dt.datetime) -> bool:
        """Return whether a moment belongs to it."""
        return self.since < moment <= self.until


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What happened in a window, of one service or of several.

    Args:
        events: landed in it.
        runs: ended in it.
        days: how many of its days a service was there at all; 0 for none.
        floating: the tag that names no image, where the branch has one.
    """

    events: tuple[Event, ...]
    runs: tuple[RunFacts, ...]
    days: float
    floating: str = ""

    @property
    def deployments(self) -> list[Event]:
        """Without rollbacks."""
        return [event for event in self.events if event.kind == "deployment"]

    @property
    def deploys(self) -> list[RunFacts]:
        """Runs that were to deploy, with an end."""
        return [run for run in self.runs if not run.rollback]


def sample(stories: Sequence[Story], window: Window) -> Sample:
    """Return what happened in a window."""
    born = min((story.born for story in stories if story.born), default=window.until)
    seconds = (window.until - max(window.since, born)).total_seconds()
    return Sample(
        events=tuple(event for story in stories for event in story.events if window.has(event.at)),
        runs=tuple(run for story in stories for run in story.runs if window.has(run.finished)),
        days=max(0.0, seconds / DAY_S),
        floating=next((story.floating for story in stories if story.floating), ""),
    )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One KPI of one sample, not yet compared with anything."""

    count: int
    based_on: str
    value: float | None = None
    mean: float | None = None
    p90: float | None = None
    p95: float | None = None
    left_out: int = 0
    why: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that a share of them does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _durations(values: Sequence[float], based_on: str, *, why: str, left_out: int = 0) -> Measured:
    if not values:
        return Measured(count=0, based_on=based_on, left_out=left_out, why=why)
    return Measured(
        count=len(values),
        based_on=based_on,
        value=median(values),
        mean=fmean(values),
        p90=percentile(values, 0.90),
        p95=percentile(values, 0.95),
        left_out=left_out,
    )


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def build_time(found: Sample) -> Measured:
    """Measure how long an image took to build, of receipts; a build that was there already took none."""
    seconds = [run.build_s for run in found.runs if run.build_s is not None]
    return _durations(seconds, f"receipts of {_plural(len(seconds), 'build')}", why="no receipt of a build")


def deploy_time(found: Sample) -> Measured:
    """Measure how long it took from the GitOps commit to the proof, of receipts of successful deploys."""
    seconds = [run.deploy_s for run in found.deploys if run.deployed and run.deploy_s is not None]
    based_on = f"receipts of {_plural(len(seconds), 'deploy')}"
    return _durations(seconds, based_on, why="no receipt of a deploy")


def success_rate(found: Sample) -> Measured:
    """Measure the share of deploys that ended with proven pods, of those that did something or failed.

    Runs that found everything in place are none, and rollbacks are not what is asked about.
    """
    runs = found.deploys
    based_on = f"receipts of {_plural(len(runs), 'deploy')}"
    if not runs:
        return Measured(count=0, based_on=based_on, why="no receipt of a deploy")
    return Measured(count=len(runs), based_on=based_on, value=sum(run.deployed for run in runs) / len(runs))


def recovery_time(found: Sample) -> Measured:
    """Measure DORA's failed deployment recovery time, once called time to restore service (MTTR).

    "The time it takes to recover from a deployment that fails and requires immediate intervention": from
    its landing to the rollback that left it, or to the next run that proved healthy pods.
    """
    failed = [event for event in found.deployments if event.failed and not event.later]
    seconds = [event.recovery_s for event in failed if event.recovery_s is not None]
    why = "no recovery is over, or clocks disagree" if failed else "no deployment failed"
    how = "receipts and rollbacks" if found.runs else "rollbacks alone"
    based_on = f"{_plural(len(failed), 'failed deployment')}, {how}"
    return _durations(seconds, based_on, why=why, left_out=len(failed) - len(seconds))


def deployment_frequency(found: Sample) -> Measured:
    """Measure DORA's deployment frequency: "the number of deployments over a given period", here a day.

    Each change of the image on the branch is one, failed ones included; no rollback is.
    """
    count = len(found.deployments)
    based_on = f"{_plural(count, 'change')} of the tag in {found.days:.0f} days"
    if not found.days:
        return Measured(count=0, based_on=based_on, why="it was not there yet")
    if not count and found.floating:
        why = f"the branch names {found.floating}, which does not say what ran"
        return Measured(count=0, based_on=based_on, why=why)
    # A service that is an hour old has not been deployed 24 times a day.
    return Measured(count=count, based_on=based_on, value=count / max(1.0, found.days))


def lead_time(found: Sample) -> Measured:
    """Measure DORA's change lead time: "from committed to version control to deployed in production".

    Of each commit that a deployment was the first to have, without merges.
    """
    brought = [event for event in found.deployments if not event.again]
    seconds = [one for event in brought for one in event.lead_s]
    left_out = sum(event.leads_unknown for event in brought)
    # What the first one brought is not known, and what never became healthy was not delivered.
    why = "no healthy one after the first brought commits that are known here" if brought else "no deployment"
    return _durations(seconds, f"{_plural(len(seconds), 'commit')}", why=why, left_out=left_out)


def change_fail_rate(found: Sample) -> Measured:
    """Measure DORA's change fail rate: deployments that "require immediate intervention" among all.

    Those are the ones that a rollback left, and by receipts those whose run failed after the commit.
    """
    deployments = found.deployments
    # Without receipts, a rollback is the one sign of a failure: what was mended by a next deploy is not seen.
    how = "receipts and rollbacks" if found.runs else "rollbacks alone"
    based_on = f"{_plural(len(deployments), 'deployment')}, {how}"
    if not deployments:
        return Measured(count=0, based_on=based_on, why="no deployment")
    failed = sum(event.failed for event in deployments)
    return Measured(count=len(deployments), based_on=based_on, value=failed / len(deployments))
