"""KPIs of repositories: one that Slipway wrote, with receipts, and one that it never saw."""

import datetime as dt
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from slipway_host import kpis, receipt_keeper
from slipway_host.errors import NotFoundError, SettingsError
from slipway_host.kpi_report import KpiReport
from slipway_host.loader import load_config
from slipway_host.progress import silent
from slipway_host.settings import GitSettings
from slipway_host.targets import target_of
from support.gitops_remote import Remote, change, deploy
from support.gitops_story import Story, values
from support.receipts import DIGEST, document, service, stage

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
DAY, HOUR = 86400.0, 3600.0
API = "apps/api/values.yaml"


@dataclass(frozen=True)
class Commits:
    """A services' repository that answers with a text."""

    text: str = ""

    async def log(self, form: str, *paths: str) -> str:  # noqa: ARG002 - one answer for all
        if self.text:
            return self.text
        raise SettingsError("no repository here")


def question(
    settings: GitSettings,
    *,
    days: int = 30,
    commits: Commits | None = None,
    now: dt.datetime = NOW,
    **more: Any,
) -> kpis.Question:
    config = {
        "registry": "r.test/acme",
        "gitops": {"repository": "https://git.invalid/acme/gitops.git"},
        "services": {"api": {}},
        **more,
    }
    loaded = load_config(json.dumps(config), path="slipway.yaml")
    return kpis.Question(
        config=loaded,
        environment="prod",
        targets=[target_of(loaded, name, environment="prod", commit="0" * 40) for name in loaded.services],
        settings=settings,
        days=days,
        commits=commits,
        now=now,
    )


async def measure(wish: kpis.Question) -> KpiReport:
    return await kpis.measure(wish, protocols=("file",))


def at(bare: Path) -> GitSettings:
    return GitSettings(url=f"file://{bare}", branch="main")


def values_of(report: KpiReport, service: int = 0) -> dict[str, float | None]:
    return {figure.name: figure.value for figure in report.services[service].figures}


def foreign(tmp_path: Path) -> Path:
    """A repository of others: bots, unquoted numbers as tags, a merge, a revert, a clock ahead."""
    bot = "acme-bot[bot] <bot@acme.invalid>"
    story = Story(now=int(NOW.timestamp()))
    story.commit({API: values("latest")}, "scaffold", ago=80 * DAY)
    story.commit({API: values("33356460")}, "api: 33356460", ago=25 * DAY, author=bot)
    story.commit({API: values("434e6794") + "x: 1\n"}, "api: 434e6794", ago=20 * DAY, author=bot)
    story.commit({API: values("434e6794") + "x: 2\n"}, "more memory", ago=19 * DAY)
    base = story.commit({API: values('"434e6794"')}, "quote the tag", ago=18 * DAY)
    story.commit({API: values("aaaa0001")}, "try", ago=17 * DAY, branch="work", onto=base)
    tip = story.commit({API: values("aaaa0002")}, "try again", ago=16 * DAY, branch="work")
    story.commit({"README": "x"}, "unrelated", ago=15 * DAY)
    story.commit({API: values("aaaa0002")}, "Merge pull request #1", ago=10 * DAY, merge=tip)
    story.commit(
        {API: values('"434e6794"')}, 'Revert "Merge pull request #1"', ago=10 * DAY - 2 * HOUR, author=bot
    )
    story.commit({API: values("bbbb0001")}, "api: bbbb0001", ago=-400 * DAY, author=bot)
    story.commit({"README": "y"}, "unrelated", ago=2 * DAY)
    story.write(tmp_path / "gitops.git")
    return tmp_path / "gitops.git"


async def test_a_repository_that_slipway_never_wrote_tells_what_its_tags_can_say(tmp_path: Path) -> None:
    report = await measure(question(at(foreign(tmp_path))))
    api = report.services[0]
    assert [(one.tag, one.kind, one.failed) for one in api.deployments] == [
        ("33356460", "deployment", False),
        ("434e6794", "deployment", False),
        ("aaaa0002", "deployment", True),
        ("434e6794", "rollback", False),
        ("bbbb0001", "deployment", False),
    ]
    assert api.deployments[2].at == NOW - dt.timedelta(days=10)
    assert values_of(report) == {
        "buildTime": None,
        "deployTime": None,
        "successRate": None,
        "failedDeploymentRecoveryTime": 2 * HOUR,
        "deploymentFrequency": pytest.approx(4 / 30),
        "changeLeadTime": None,
        "changeFailRate": 0.25,
    }
    # The clock that is ahead by a year: the deployment stands before the commit after it.
    assert api.deployments[4].at <= NOW - dt.timedelta(days=2)
    assert any(note.startswith("1 commits have dates that") for note in report.notes)
    assert any(note.startswith("there are no receipts") for note in report.notes)


async def test_lead_time_is_known_where_a_tag_is_a_commit(tmp_path: Path) -> None:
    now = int(NOW.timestamp())
    hashes = ["33356460" * 5, "434e6794" * 5, "c" * 40, "aaaa0002" * 5]
    made = [now - 26 * DAY, now - 20 * DAY - 4 * HOUR, now - 10 * DAY - 3 * HOUR, now - 10 * DAY - HOUR]
    lines = [
        f"{own} {when:.0f} {before}"
        for own, when, before in zip(hashes, made, ["", *hashes[:-1]], strict=True)
    ]
    report = await measure(question(at(foreign(tmp_path)), commits=Commits("\n".join(lines))))
    lead = report.services[0].figure("changeLeadTime")
    # 4 h of 434e6794; 3 h and 1 h of the two that aaaa0002 brought. Of the first and the last, nobody knows.
    assert (lead.value, lead.p95, lead.count, lead.left_out) == (3 * HOUR, 4 * HOUR, 3, 2)


async def test_a_services_repository_that_cannot_be_read_costs_one_figure(tmp_path: Path) -> None:
    report = await measure(question(at(foreign(tmp_path)), commits=Commits()))
    assert report.services[0].figure("deploymentFrequency").count == 4
    assert "change lead time is unknown: no repository here" in report.notes


async def test_a_service_that_is_not_on_the_branch_is_said_and_hides_no_other(tmp_path: Path) -> None:
    report = await measure(question(at(foreign(tmp_path)), services={"ghost": {}, "api": {}}))
    assert "apps/ghost/values.yaml" in report.services[0].problem
    assert report.services[1].figure("deploymentFrequency").count == 4
    assert "ghost" in kpis.said(report, as_json=False, as_prometheus=False)


async def test_a_branch_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no branch prod"):
        await measure(question(replace(at(foreign(tmp_path)), branch="prod")))


def timed(
    name: str, began: dt.datetime, seconds: float, status: str = "Succeeded", **outputs: Any
) -> dict[str, Any]:
    return {**stage(name, status, **outputs), "startedAt": began.isoformat(), "seconds": seconds}


async def run(
    remote: Remote, settings: GitSettings, number: int, *, ends: str, digest: str = DIGEST, error: str = ""
) -> None:
    """Deploy, and keep the receipt of a run with a build of 100 s, and 40 s from commit to proof."""
    source = f"{number:08x}" * 5
    done = await deploy(remote, change(commit=source, digest=DIGEST))
    now = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=50)
    told = {
        **service(commit=done.commit, status=ends, digest=digest, error=error),
        "stages": [
            timed("build", now - dt.timedelta(seconds=100), 100),
            timed("gitops", now, 2, commit=done.commit, branch="main"),
            timed("proof", now + dt.timedelta(seconds=39), 1, "Failed" if ends == "Failed" else "Succeeded"),
        ],
    }
    written = document(told, run=f"{now:%Y%m%dT%H%M%S}-{number:04x}", commit=source, tag=source[:8])
    target = question(settings).targets
    await receipt_keeper.store(settings, written, target, report=silent, protocols=("file",))


async def test_receipts_say_how_long_runs_took_and_how_they_ended(remote: Remote) -> None:
    settings = replace(remote.settings, receipts="slipway-receipts")
    await run(remote, settings, 1, ends="Deployed")
    await run(remote, settings, 2, ends="Failed", error="proof: no")
    await run(remote, settings, 3, ends="Deployed")
    await run(remote, settings, 4, ends="Failed", error="preflight: api: every deploy is held by jo since …")

    now = dt.datetime.now(dt.UTC)
    report = await measure(question(settings, now=now))
    api = report.services[0]
    assert [(one.tag, one.failed) for one in api.deployments] == [
        ("00000001", False),
        ("00000002", True),
        ("00000003", False),
        ("00000004", False),
    ]
    found = values_of(report)
    assert (found["buildTime"], found["deployTime"]) == (100, 40)
    assert found["successRate"] == pytest.approx(2 / 3)  # who is held has not failed
    assert found["changeFailRate"] == 0.25
    recovery = found["failedDeploymentRecoveryTime"]
    assert recovery is not None
    assert 0 <= recovery < 120
    assert api.deployments[0].run.endswith("-0001")

    document_of_dev = replace(question(settings, now=now), environment="dev")
    dev = [replace(one, environment="dev") for one in document_of_dev.targets]
    other = await measure(replace(document_of_dev, targets=dev))
    assert values_of(other)["successRate"] is None


async def test_a_receipt_that_the_branch_does_not_confirm_does_not_count(remote: Remote) -> None:
    settings = replace(remote.settings, receipts="slipway-receipts")
    await run(remote, settings, 1, ends="Deployed", digest="sha256:" + "ee" * 32)
    report = await measure(question(settings, now=dt.datetime.now(dt.UTC)))
    assert values_of(report)["buildTime"] is None
    assert any("1 of 1 receipts do not count" in note for note in report.notes)


ENVIRONMENTS: dict[str, Any] = {
    "canary": {},
    "old": {"branch": "o"},
    # These have files of their own.
    "eu": {"app": "{app}-{environment}"},
    "pr-*": {"app": "{app}-{environment}", "preview": {"from": "canary"}},
}


async def test_environments_on_one_branch_are_not_told_apart_and_that_is_said(tmp_path: Path) -> None:
    report = await measure(question(at(foreign(tmp_path)), environments=ENVIRONMENTS))
    assert any(note.startswith("canary and prod share branch main") for note in report.notes)


@pytest.mark.parametrize("days", [0, -1, 4000])
def test_a_window_that_means_nothing_is_refused(tmp_path: Path, days: int) -> None:
    with pytest.raises(SettingsError, match="--days is 1 to 3660"):
        question(at(tmp_path), days=days)
