"""Histories of one service in a few words, for the figures made of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace

from slipway_host.deployment_event import RunFacts
from slipway_host.deployments import Story, story
from slipway_host.history import DEPLOY, OTHER, Entry
from slipway_host.landings import Landing

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def ago(hours: float) -> dt.datetime:
    return NOW - dt.timedelta(hours=hours)


def entry(tag: str, *, kind: str = OTHER, digest: str = "", source: str = "", begins: bool = False) -> Entry:
    return Entry(
        tag=tag,
        digest=digest,
        commit="",
        source=source,
        when="",
        author="Jo <jo@acme.invalid>",
        kind=kind,
        subject="",
        begins=begins,
    )


def commit_of(number: int) -> str:
    """Return the GitOps commit of the entry at a place, oldest first."""
    return hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()


def told(
    *steps: tuple[float, Entry], runs: tuple[RunFacts, ...] = (), doubtful: tuple[int, ...] = ()
) -> Story:
    """Return the story of entries with the hours ago at which they landed, oldest first."""
    entries = [replace(one, commit=commit_of(at)) for at, (_, one) in enumerate(steps)]
    landed = {
        commit_of(at): Landing(ago(hours), doubtful=at in doubtful) for at, (hours, _) in enumerate(steps)
    }
    return story("api", entries[::-1], landed, runs=runs)


def run(
    ended: float,
    *,
    deployed: bool = True,
    of: int | None = None,
    rollback: bool = False,
    build_s: float | None = None,
    deploy_s: float | None = None,
) -> RunFacts:
    """Return a run that ended some hours ago; `of` is the place of the entry that it made."""
    return RunFacts(
        run=f"run-{ended:g}",
        service="api",
        deployed=deployed,
        rollback=rollback,
        commit="" if of is None else commit_of(of),
        started=ago(ended + 0.1),
        finished=ago(ended),
        build_s=build_s,
        deploy_s=deploy_s,
    )


def first(tag: str = "v0", hours: float = 2000) -> tuple[float, Entry]:
    """Return the commit that makes the file."""
    return hours, entry(tag, begins=True)


def deploy(hours: float, tag: str) -> tuple[float, Entry]:
    return hours, entry(tag, kind=DEPLOY)
