"""KPIs of an environment: read from the GitOps repository and the receipts in it, whoever wrote them.

An environment is a branch and the values files on it. The history of the tags says how often was
deployed and what was rolled back (R36); receipts say how long runs took and how they ended (R19).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from slipway_host import git, history, kpi_figures, kpi_prometheus, kpi_text, receipts, targets
from slipway_host.caller import command
from slipway_host.deployment_event import DEPLOYED, FAILED, RunFacts
from slipway_host.deployments import Story, story
from slipway_host.errors import DeadlineError, DeliveryError, SettingsError, quote
from slipway_host.holds import HELD
from slipway_host.kpi_measures import Window
from slipway_host.kpi_report import KpiReport, ServiceKpis
from slipway_host.landings import Landing, landings
from slipway_host.source_log import FORMAT, Delivered, SourceLog

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from slipway_host.config import Config
    from slipway_host.receipts import Reading, Stored
    from slipway_host.settings import GitSettings, Target
    from slipway_host.source_log import Commits

MOST_DAYS = 3660
DEADLINE_S = 180.0
AFTER_COMMIT = ("sync", "rollout", "health", "smoke", "load", "proof")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What KPIs are asked for.

    Args:
        config: the configuration.
        environment: its name.
        targets: the services in this environment.
        settings: the GitOps repository and its account.
        days: length of the window.
        commits: the services' repository; None where nobody can ask it.
        now: end of the window, UTC.
    """

    config: Config
    environment: str
    targets: Sequence[Target]
    settings: GitSettings
    days: int
    commits: Commits | None
    now: dt.datetime

    def __post_init__(self) -> None:
        """Refuse a window that means nothing."""
        if not 1 <= self.days <= MOST_DAYS:
            raise SettingsError(
                f"--days is 1 to {MOST_DAYS}", stage="kpis", next_command=command("kpis", "--days=30")
            )


async def measure(question: Question, *, protocols: Collection[str] = git.SAFE_PROTOCOLS) -> KpiReport:
    """Return all KPIs.

    Ten thousand commits of fifty services take seconds.

    Args:
        question: what is asked for.
        protocols: transports that git may use.

    Raises:
        DeliveryError: the GitOps repository cannot be read.
    """
    settings, targets = question.settings, question.targets
    window = Window.of(question.days, question.now)
    notes = _Notes()
    try:
        with anyio.fail_after(DEADLINE_S):
            kept = await receipts.stored(
                settings, targets, since=window.before().since, protocols=tuple(protocols)
            )
            async with git.clone(settings, protocols=protocols, depth=None) as copy:
                await copy.fetch()
                landed = _landed(await copy.mainline(), question.now)
                # What ran before the two windows tells a return to it from a deployment.
                oldest = window.before().before().since
                young = {commit for commit, landing in landed.items() if landing.at > oldest}
                entries = await history.read_all(copy, {one.app: one.values for one in targets}, young)
                kept = await receipts.verified(copy, targets, kept)
                address, head = str(copy.address), copy.head
            delivered = await _delivered(question, notes)
    except TimeoutError as error:
        raise DeadlineError(f"the history could not be read within {DEADLINE_S:.0f} s") from error
    stories = [
        _story(question, target, entries[target.app], landed, kept[target.service], delivered, notes)
        for target in targets
    ]
    notes.clocks(stories)
    notes.environments(question.config, question.environment)
    goals = question.config.kpis.targets
    return KpiReport(
        environment=question.environment,
        repository=address,
        branch=settings.branch,
        head=head,
        since=window.since,
        until=window.until,
        days=question.days,
        together=ServiceKpis(
            service="",
            figures=kpi_figures.figures(stories, window, goals),
            days=kpi_figures.days(stories, window),
        ),
        services=tuple(
            ServiceKpis(
                service=one.service,
                figures=kpi_figures.figures([one], window, goals),
                days=kpi_figures.days([one], window),
                deployments=tuple(event.deployment() for event in one.events if window.has(event.at)),
                problem=one.problem,
            )
            for one in stories
        ),
        notes=tuple(notes.found),
    )


def said(report: KpiReport, *, as_json: bool, as_prometheus: bool) -> str:
    """Return a report as it is printed: for people, as JSON, or for Prometheus.

    Raises:
        SettingsError: two forms are asked for.
    """
    if as_json and as_prometheus:
        raise SettingsError("--as-json and --as-prometheus are two forms: ask for one")
    if as_json:
        return report.to_json()
    return kpi_prometheus.exposition(report).rstrip() if as_prometheus else kpi_text.screen(report)


def facts(stored: Stored) -> RunFacts | None:
    """Return what a receipt says of a run that came to an end; None for one that did not, or was held.

    A run that a hold stopped did what it was to do: a pause is no failure.
    """
    receipt, service = stored.receipt, stored.receipt.services[0]
    if service.status not in {DEPLOYED, FAILED} or (service.status == FAILED and HELD in service.error):
        return None
    build, gitops = service.stage("build"), service.stage("gitops")
    committed = gitops is not None and gitops.status == "Succeeded"
    deploy_s = None
    if gitops is not None and committed and service.status == DEPLOYED:
        # Who waited for a merge waited for people.
        began = gitops.ended_at if service.pull_request else gitops.started_at
        stages = (service.stage(name) for name in AFTER_COMMIT)
        ends = [stage.ended_at for stage in stages if stage and stage.ended_at]
        if began and ends:
            deploy_s = max(0.0, (max(ends) - began).total_seconds())
    return RunFacts(
        run=receipt.run,
        service=service.service,
        deployed=service.status == DEPLOYED,
        rollback=receipt.kind == "rollback",
        commit=receipt.gitops_commit if committed else "",
        started=receipt.started_at,
        finished=receipt.finished_at,
        build_s=build.seconds if build and build.status == "Succeeded" else None,
        deploy_s=deploy_s,
    )


def _landed(mainline: Sequence[tuple[str, int]], now: dt.datetime) -> dict[str, Landing]:
    """Return when each commit of the branch landed; they come newest first."""
    oldest_first = mainline[::-1]
    dates = [dt.datetime.fromtimestamp(when, dt.UTC) for _, when in oldest_first]
    commits = (commit for commit, _ in oldest_first)
    return dict(zip(commits, landings(dates, now=now), strict=True))


def _story(
    question: Question,
    target: Target,
    entries: list[history.Entry],
    landed: Mapping[str, Landing],
    kept: Reading,
    delivered: Mapping[str, Delivered],
    notes: _Notes,
) -> Story:
    if not entries:
        problem = f"no commit on {question.settings.branch} names an image in {target.values}"
        return Story(service=target.service, problem=problem)
    believed = [one for one in kept.receipts if one.believed]
    notes.receipts(target, kept, len(kept.receipts) - len(believed))
    runs = [one for one in map(facts, believed) if one is not None]
    return story(target.service, entries, landed, runs=runs, delivered=delivered.get(target.service))


async def _delivered(question: Question, notes: _Notes) -> dict[str, Delivered]:
    """Return, for each service, what tells which commits a deployment brought."""
    if question.commits is None:
        return {}
    try:
        log = SourceLog.parse(await question.commits.log(FORMAT))
        contexts = {one.service: question.config.services[one.service].context for one in question.targets}
        touching: dict[str, frozenset[str] | None] = {".": None}
        for context in sorted(set(contexts.values()) - {"."}):
            touching[context] = frozenset((await question.commits.log("%H", context)).split())
    except DeliveryError as error:
        notes.found.append(f"change lead time is unknown: {quote(error.cause)}")
        return {}
    return {name: Delivered(log, touching[context]) for name, context in contexts.items()}


class _Notes:
    """What a reader has to know of the figures."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def receipts(self, target: Target, kept: Reading, doubted: int) -> None:
        """Say which receipts do not count."""
        if doubted:
            self.found.append(
                f"{target.service}: {doubted} of {len(kept.receipts)} receipts do not count: the branch does "
                "not say what they say"
            )
        if kept.unreadable:
            self.found.append(f"{target.service}: {len(kept.unreadable)} receipts cannot be read")

    def clocks(self, stories: Sequence[Story]) -> None:
        """Say how many commits have a date that cannot be."""
        doubtful = {
            event.entry.commit for story in stories for event in story.events if event.landing.doubtful
        }
        if doubtful:
            self.found.append(
                f"{len(doubtful)} commits have dates that the commits around them contradict: they stand "
                "where ancestry puts them, and no duration is measured from or to them"
            )
        if not any(story.runs for story in stories):
            self.found.append(
                "there are no receipts: build time, deploy time and success rate come from them, and a "
                "failure is only seen where somebody rolled back"
            )

    def environments(self, config: Config, name: str) -> None:
        """Say which environments cannot be told from this one."""
        branch = config.environment(name).branch or config.gitops.branch

        def shares(other: str) -> bool:
            if other == name or other.endswith("*"):  # previews have files of their own
                return False
            there = config.environment(other).branch or config.gitops.branch
            return there == branch and any(
                targets.values_path(config, service, other) == targets.values_path(config, service, name)
                for service in config.services
            )

        others = [other for other in config.environments if shares(other)]
        if others:
            self.found.append(
                f"{', '.join(others)} and {name} share branch {branch}: its history does not tell them apart"
            )
