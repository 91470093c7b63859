"""What happened to a service: deployments, rollbacks, failures and recoveries, from history and receipts.

The branch says what was to run, receipts what a run did and proved. Where there are no receipts, the
branch alone has to do: a rollback is then the one sign of a failure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slipway_host.deployment_event import Event
from slipway_host.history import DEPLOY, ROLLBACK
from slipway_host.landings import Landing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from slipway_host.deployment_event import RunFacts
    from slipway_host.history import Entry
    from slipway_host.source_log import Delivered

FLOATING = frozenset(
    {
        "latest",
        "main",
        "master",
        "dev",
        "develop",
        "edge",
        "nightly",
        "stable",
        "staging",
        "prod",
        "production",
    }
)
"""Tags that name another image from day to day: without a digest nobody knows what ran."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is known of one service.

    Args:
        service: key in `slipway.yaml`.
        events: oldest first by ancestry.
        runs: of all receipts, in the order in which they ended.
        born: since when the branch names an image of it; None: it does not.
        floating: the tag without a digest that the branch names now, where that is one like `latest`.
        problem: why the history could not be read; else empty.
    """

    service: str
    events: tuple[Event, ...] = ()
    runs: tuple[RunFacts, ...] = ()
    born: dt.datetime | None = None
    floating: str = ""
    problem: str = ""


def story(
    service: str,
    entries: Sequence[Entry],
    landed: Mapping[str, Landing],
    *,
    runs: Sequence[RunFacts] = (),
    delivered: Delivered | None = None,
) -> Story:
    """Return what happened to a service.

    Args:
        service: key in `slipway.yaml`.
        entries: of its values file, newest first, all of them.
        landed: when each commit of the branch landed.
        runs: of its receipts in this environment.
        delivered: the service's repository; None where nobody can ask it.
    """
    ordered = tuple(sorted(runs, key=lambda run: run.finished))
    events = _events(service, entries, landed, {run.commit: run for run in ordered if run.commit})
    if delivered is not None:
        for event in events:
            # What never became healthy was not delivered: its commits count when they are.
            if event.kind == "deployment" and not event.again and not _run_failed(event):
                event.made = delivered.deploy(event.entry.source, event.entry.tag)
    _recoveries(events, ordered)
    newest = entries[0] if entries else None
    return Story(
        service=service,
        events=tuple(events),
        runs=ordered,
        born=landed[entries[-1].commit].at if entries else None,
        floating=newest.tag if newest and _floats(newest) else "",
    )


def _floats(entry: Entry) -> bool:
    return entry.tag in FLOATING and not entry.digest


def _run_failed(event: Event) -> bool:
    return event.run is not None and not event.run.deployed


@dataclass
class _Live:
    """What has run so far: the deployment of each tag, and the tags that were left as bad."""

    tag: str = ""
    seen: dict[str, Event | None] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)


def _events(
    service: str, entries: Sequence[Entry], landed: Mapping[str, Landing], runs: Mapping[str, RunFacts]
) -> list[Event]:
    found: list[Event] = []
    live = _Live()
    before: Entry | None = None
    for entry in reversed(entries):
        same = before is not None and before.tag == entry.tag
        # A digest that comes or goes beside the same tag is another way to write it.
        rewritten = same and before is not None and not (before.digest and entry.digest)
        before = entry
        if rewritten or _floats(entry):
            live.tag = entry.tag
            continue
        if entry.begins and entry.kind != DEPLOY:
            # The commit that makes a file may move it as well: nobody says that it deployed anything.
            live.tag = entry.tag
            live.seen.setdefault(entry.tag, None)
            continue
        returns = not same and entry.tag in live.seen and entry.tag not in live.bad
        rollback = entry.kind == ROLLBACK or returns
        event = Event(
            service=service,
            entry=entry,
            kind="rollback" if rollback else "deployment",
            landing=landed[entry.commit],
            run=runs.get(entry.commit),
            again=entry.tag in live.bad,
        )
        if rollback:
            event.left = live.seen.get(live.tag)
            if event.left is not None:
                event.left.failed = True
            live.bad.add(live.tag)
        else:
            live.seen[entry.tag] = event
        live.bad.discard(entry.tag)
        live.tag = entry.tag
        found.append(event)
    return found


def _recoveries(events: Sequence[Event], runs: Sequence[RunFacts]) -> None:
    """Note what failed by its run, and when each outage was over."""
    rolled_back = _rolled_back(events)
    for event in events:
        if event.kind != "deployment":
            continue
        event.failed = event.failed or _run_failed(event)
        if not event.failed or event.later:
            continue
        ends = [
            rolled_back.get(event.entry.commit),
            _proven_after(event, runs) if _run_failed(event) else None,
        ]
        end = min((one for one in ends if one), key=lambda one: one.at, default=None)
        if end is not None and not (event.landing.doubtful or end.doubtful):
            seconds = (end.at - event.landing.at).total_seconds()
            event.recovery_s = seconds if seconds >= 0 else None


def _rolled_back(events: Sequence[Event]) -> dict[str, Landing]:
    """Return when deployments were over that rollbacks left, by GitOps commit.

    Rollbacks that follow each other without a deployment between are one outage: it began with the
    deployment that the first one left, and the last one ended it.
    """
    ends: dict[str, Landing] = {}
    outage: list[Event] = []
    for event in events:
        if event.kind == "deployment":
            outage = []
            continue
        if event.left is not None and event.left not in outage:
            outage.append(event.left)
        for later in outage[1:]:
            later.later = True
        if outage:
            ends.pop(outage[0].entry.commit, None)
            # A rollback that did not become healthy has ended nothing.
            if not _run_failed(event):
                proven = event.run is not None
                ends[outage[0].entry.commit] = Landing(event.at) if proven else event.landing
    return ends


def _proven_after(event: Event, runs: Sequence[RunFacts]) -> Landing | None:
    """Return when a run proved healthy pods, the first after a deployment landed."""
    ended = (run.finished for run in runs if run.deployed and run.finished > event.landing.at)
    first = next(ended, None)
    return Landing(first) if first else None
