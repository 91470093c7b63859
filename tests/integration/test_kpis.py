"""R20 and R36 on the lab's git server: a repository that Slipway wrote, and a large one that it never saw."""

import datetime as dt
import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from slipway_host import kpis, receipt_keeper
from slipway_host.gitops import commit_images
from slipway_host.image_change import ImageChange
from slipway_host.loader import load_config
from slipway_host.progress import silent
from slipway_host.settings import GitSettings
from slipway_host.targets import target_of
from slipway_lab import credentials, gitserver
from slipway_lab.layout import GIT, Layout
from support.gitops_story import Story, values
from support.host_side import HostSide, host_side
from support.receipts import DIGEST, document, service, stage

COMMITS, APPS, DAYS = 10_000, 50, 300
DAY = 86400.0
CPU_SECONDS = 15
"""Of this process and its git, whatever else the machine does: twice what it takes."""


def path_of(app: str) -> str:
    return f"apps/{app}/values.yaml"


def large(now: int) -> tuple[Story, Counter[str], Counter[str]]:
    """Return a history as others write it, and how often each deployed and rolled back in 30 days."""
    rnd = random.Random(36)  # noqa: S311 - the same each time
    apps = [f"app-{number:02d}" for number in range(APPS)]
    story = Story(now=now)
    story.commit(
        {path_of(app): values("latest", app=app, lines=100) for app in apps}, "Start", ago=(DAYS + 1) * DAY
    )
    before: dict[str, list[str]] = {app: ["latest"] for app in apps}
    deployed, rolled_back = Counter[str](), Counter[str]()
    side: tuple[str, int] | None = None
    last = 1
    for number in range(1, COMMITS):
        ago = round(DAYS * DAY * (1 - number / COMMITS))
        app = rnd.choice([one for one in apps if side is None or one != side[0]])
        author = rnd.choice(["ci[bot] <ci@acme.invalid>", "Jo <jo@acme.invalid>"])
        past = before[app]
        counts = deployed
        if number % 40 != 5 and rnd.random() < 0.02 and len(past) > 2 and past[-2] != "latest":
            tag, message, counts = past[-2], f'Revert "{app}: {past[-1]}"', rolled_back
            past.append(tag)
        elif rnd.random() < 0.05:
            tag, message, counts = past[-1], f"{app}: more memory", Counter[str]()
        else:
            tag, message = f"{rnd.getrandbits(28):07x}", f"{app}: deploy"
            past.append(tag)
        quoted = tag if number % 15 or tag == "latest" else f'"{tag}"'
        text = values(quoted, app=app, lines=100) + f"# {number}\n" * (message.endswith("memory"))
        if side is None and number % 40 == 0 and counts is deployed:
            side = (
                app,
                story.commit({path_of(app): text}, message, ago=ago, author=author, branch="pr", onto=last),
            )
            continue
        merge = side[1] if side and number % 40 == 5 else None
        files: dict[str, str | None] = {path_of(app): text}
        if merge and side:
            files[path_of(side[0])] = values(before[side[0]][-1], app=side[0], lines=100)
            deployed[side[0]] += ago < 30 * DAY
            side = None
        last = story.commit(files, message, ago=ago, author=author, merge=merge)
        counts[app] += ago < 30 * DAY
    return story, deployed, rolled_back


@pytest.fixture
def foreign(layout: Layout, run_id: str) -> Iterator[tuple[GitSettings, Counter[str], Counter[str], int]]:
    """The large repository, served to an account that may only read."""
    now = int(time.time())
    story, deployed, rolled_back = large(now)
    bare = gitserver.repository(layout, f"mosuon/{run_id}-kpis")
    story.write(bare)
    token = SecretStr(credentials.read(layout, "git-reader"))
    settings = GitSettings(
        url=f"{GIT}/mosuon/{run_id}-kpis.git", branch="main", username=credentials.GIT_READER, token=token
    )
    yield settings, deployed, rolled_back, now
    shutil.rmtree(bare)


async def test_ten_thousand_commits_of_fifty_services_take_seconds_and_are_counted_right(
    foreign: tuple[GitSettings, Counter[str], Counter[str], int],
) -> None:
    settings, deployed, rolled_back, now = foreign
    config = load_config(
        json.dumps(
            {
                "registry": "r.test/acme",
                "gitops": {"repository": settings.url},
                "services": {f"app-{number:02d}": {} for number in range(APPS)},
            }
        ),
        path="slipway.yaml",
    )
    question = kpis.Question(
        config=config,
        environment="dev",
        targets=[target_of(config, name, environment="dev", commit="0" * 40) for name in config.services],
        settings=settings,
        days=30,
        commits=None,
        now=dt.datetime.fromtimestamp(now, dt.UTC),
    )
    began = os.times()
    report = await kpis.measure(question)
    took = sum(os.times()[:4]) - sum(began[:4])

    found = {one.service: Counter(item.kind for item in one.deployments) for one in report.services}
    assert {name: kinds["deployment"] for name, kinds in found.items()} == {
        name: deployed[name] for name in config.services
    }
    assert {name: kinds["rollback"] for name, kinds in found.items()} == {
        name: rolled_back[name] for name in config.services
    }
    assert report.together.figure("deploymentFrequency").count == deployed.total() > 700
    assert rolled_back.total() > 5
    assert took < CPU_SECONDS, f"{took:.1f} s"


def timed(name: str, began: dt.datetime, seconds: float, **outputs: Any) -> dict[str, Any]:
    return {**stage(name, **outputs), "startedAt": began.isoformat(), "seconds": seconds}


async def deploy(settings: GitSettings, commit: str, *, failed: bool = False, back: str = "") -> str:
    """Commit an image as a run does, and keep the receipt of that run."""
    change = ImageChange(
        app="api",
        path=path_of("api"),
        tag=commit[:8],
        digest=DIGEST,
        write_digest=False,
        source_commit=commit,
        rolled_back=back or None,
    )
    began = dt.datetime.now(dt.UTC)
    done = await commit_images(settings, [change], run_id="r", report=silent, deadline_s=30)
    told = {
        **service(commit=done.commit, status="Failed" if failed else "Deployed"),
        "stages": [
            timed("build", began, 42),
            timed("gitops", began, 1, commit=done.commit, branch="main"),
            timed("proof", began + dt.timedelta(seconds=20), 1),
        ],
        **({"rollback": {"from": back, "to": commit[:8], "sourceCommit": commit}} if back else {}),
    }
    written = document(told, environment="dev", commit=commit, tag=commit[:8])
    config = load_config(json.dumps(CONFIG), path="slipway.yaml")
    target = target_of(config, "api", environment="dev", commit=commit)
    await receipt_keeper.store(settings, written, [target], report=silent)
    return done.commit


CONFIG: dict[str, Any] = {
    "registry": "r.test/acme",
    "gitops": {"repository": "https://git.invalid/acme/gitops.git"},
    "services": {"api": {}},
}


def commit_in(clone: Path, name: str) -> str:
    account = ["-c", "user.name=t", "-c", "user.email=t@t.invalid"]
    (clone / name).write_text(name)
    for words in (["add", "--all"], ["commit", "--quiet", "--message", name]):
        subprocess.run(["git", *account, *words], cwd=clone, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, check=True, capture_output=True, text=True)
    return head.stdout.strip()


@pytest.fixture
def own(layout: Layout, gitops: GitSettings, tmp_path: Path, run_id: str) -> tuple[HostSide, GitSettings]:
    """A clone of a service's repository, and the GitOps repository that its runs write to."""
    here = host_side(layout, tmp_path, run_id, {}, gitops={"repository": gitops.url})
    return here, replace(gitops, receipts="slipway-receipts")


async def test_slipway_host_tells_all_seven_of_what_its_own_runs_wrote(
    own: tuple[HostSide, GitSettings],
) -> None:
    here, settings = own
    first = here.commit
    await deploy(settings, first)
    commit_in(here.folder, "two")
    third = commit_in(here.folder, "three")
    await deploy(settings, third, failed=True)
    await deploy(settings, first, back=third[:8])
    fourth = commit_in(here.folder, "four")
    await deploy(settings, fourth)

    token = settings.token.get_secret_value() if settings.token else ""
    accounts = {"GIT_USERNAME": settings.username, "GH_PAT": token}
    done = here.run("kpis", "--as-json", **accounts)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (api,) = report["services"]
    figures = {figure["name"]: figure for figure in api["figures"]}
    assert [(one["kind"], one["failed"], one["changes"]) for one in api["deployments"]] == [
        ("deployment", False, 0),
        ("deployment", True, 0),
        ("rollback", False, 0),
        ("deployment", False, 3),  # what failed was not delivered: its commits came with this one
    ]
    assert figures["buildTime"]["value"] == 42
    assert figures["deployTime"]["value"] == 21
    assert figures["successRate"]["value"] == pytest.approx(2 / 3, abs=0.001)
    assert figures["changeFailRate"]["value"] == pytest.approx(1 / 3, abs=0.001)
    assert figures["deploymentFrequency"]["count"] == 3
    assert figures["changeLeadTime"]["count"] == 3
    assert 0 <= figures["failedDeploymentRecoveryTime"]["value"] < 60
    assert not [figure for figure in figures.values() if figure["status"] == "unknown"]

    text = here.run("kpis", **accounts)
    assert "Change lead time" in text.stdout
    metrics = here.run("kpis", "--as-prometheus", **accounts)
    names = {family.name for family in text_string_to_metric_families(metrics.stdout)}
    assert "slipway_change_lead_time_seconds" in names
    assert token not in done.stdout + done.stderr + text.stdout + metrics.stdout

    wrong = here.run("kpis", "--days=0", **accounts)
    assert wrong.returncode == 1
    assert "--days is 1 to 3660" in wrong.stderr
