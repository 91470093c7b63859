"""One change of a service's image on the branch, and what the receipt of a run says of it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from slipway_host.kpi_report import Deployment

if TYPE_CHECKING:
    import datetime as dt

    from slipway_host.history import Entry
    from slipway_host.kpi_report import Kind
    from slipway_host.landings import Landing

DEPLOYED, FAILED = "Deployed", "Failed"


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a receipt says of one service's run.

    Args:
        run: its id.
        service: key in `slipway.yaml`.
        deployed: it ended with proven-healthy pods; False for a failed one.
        rollback: it was a rollback.
        commit: the GitOps commit that it made itself; empty where it made none.
        started: when it began, UTC.
        finished: when it ended.
        build_s: seconds of the build; None where nothing was built.
        deploy_s: seconds from the GitOps commit's begin to the proof; None where it did not get there.
    """

    run: str
    service: str
    deployed: bool
    rollback: bool = False
    commit: str = ""
    started: dt.datetime
    finished: dt.datetime
    build_s: float | None = None
    deploy_s: float | None = None


@dataclass(kw_only=True, eq=False)
class Event:
    """One change of the image on the branch.

    Args:
        entry: of the history.
        kind: what it was.
        landing: when the commit landed.
        run: the run that made it, where its receipt is there.
        again: a deployment of a tag that had been rolled back from: planned, and no new change.
        failed: it was left by a rollback, or its run failed.
        recovery_s: from its landing to the end of the recovery.
        left: of a rollback, the deployment that it left; None where that is not in the history.
        later: it failed, and its recovery is part of another's: one outage, one recovery.
        made: when each commit was made that it brought first, seconds since 1970; None: nobody knows.
    """

    service: str
    entry: Entry
    kind: Kind
    landing: Landing
    run: RunFacts | None = None
    again: bool = False
    failed: bool = False
    recovery_s: float | None = None
    left: Event | None = None
    later: bool = False
    made: list[int] | None = None

    @property
    def at(self) -> dt.datetime:
        """When it was in production: proven by its run, or else landed."""
        return self.run.finished if self.run and self.run.deployed else self.landing.at

    @property
    def lead_s(self) -> list[float]:
        """Seconds of each commit that it brought; where clocks disagree, there is none."""
        if self.made is None or self._doubtful:
            return []
        seconds = [self.at.timestamp() - when for when in self.made]
        return [one for one in seconds if one >= 0]

    @property
    def leads_unknown(self) -> int:
        """How many commits, or whole deployments, have no lead time that means anything."""
        return 1 if self.made is None else len(self.made) - len(self.lead_s)

    @property
    def _doubtful(self) -> bool:
        return self.landing.doubtful and not (self.run and self.run.deployed)

    def deployment(self) -> Deployment:
        """Return it for a report."""
        return Deployment(
            service=self.service,
            tag=self.entry.tag,
            kind=self.kind,
            at=self.at,
            commit=self.entry.commit,
            source=self.entry.source,
            author=self.entry.author,
            failed=self.failed,
            recovery_seconds=self.recovery_s,
            changes=len(self.made or ()),
            lead_seconds=median(self.lead_s) if self.lead_s else None,
            build_seconds=self.run.build_s if self.run else None,
            deploy_seconds=self.run.deploy_s if self.run else None,
            run=self.run.run if self.run else "",
        )
