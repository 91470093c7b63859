"""R9's migration Job on the lab's cluster."""

import base64
import re
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, cast

import anyio
import pytest

from slipway_host import git, history, migration_turn, rollback
from slipway_host.applications import KubernetesApplications
from slipway_host.delivery import Delivery
from slipway_host.errors import DeadlineError, MigrationFailedError
from slipway_host.kube import KubeClient
from slipway_host.kube_http import Json
from slipway_host.migration import migrate, name_of
from slipway_host.namespaces import ensure_namespace
from slipway_host.passage import Accounts, Passage, commit_images
from slipway_host.progress import silent
from slipway_host.results import StageResult, Status
from slipway_host.settings import GitSettings, MigrationSettings, Target
from slipway_host.together import together
from support.target import api_target

IMAGE = "docker.io/library/postgres:17"
DIGEST = "sha256:" + "a" * 64
OLD, NEW = "aaaa1111" * 5, "bbbb2222" * 5
PASSWORD = "canary-4711"


def shell(script: str, *, timeout_s: int = 60, image: str = IMAGE) -> MigrationSettings:
    return MigrationSettings(
        command=("sh", "-c", script), image=image, timeout_s=timeout_s, run_as_user=65534
    )


@pytest.fixture
async def target(kube: KubeClient, namespace: str) -> Target:
    await ensure_namespace(kube, namespace, labels={})
    url = base64.b64encode(f"postgresql://api:{PASSWORD}@db/api".encode()).decode()
    body = {"metadata": {"name": "api-secrets"}, "data": {"DATABASE_URL": url}}
    await kube.create(f"/api/v1/namespaces/{namespace}/secrets", body)
    return api_target(
        environment="dev",
        commit="12345678" + "0" * 32,
        repository="registry.invalid/acme/api",
        namespace=namespace,
    )


async def run(
    kube: KubeClient, target: Target, migration: MigrationSettings, lines: list[str] | None = None
) -> StageResult:
    report = (lines if lines is not None else []).append
    return await migrate(kube, replace(target, migration=migration), digest=DIGEST, report=report)


async def jobs(kube: KubeClient, target: Target) -> list[Json]:
    return await kube.list(f"/apis/batch/v1/namespaces/{target.namespace}/jobs")


async def test_a_migration_runs_once_with_the_secret_and_its_log_is_told_without_it(
    kube: KubeClient, target: Target
) -> None:
    lines: list[str] = []
    script = f'echo "to $DATABASE_URL as $(id -u), {PASSWORD}"; sleep 1; echo last'
    assert (await run(kube, target, shell(script), lines)).status is Status.SUCCEEDED
    assert "migrate: to postgresql://api:***@db/api as 65534, ***" in lines or (
        "migrate: to *** as 65534, ***" in lines
    )
    assert lines[-1] == "migrate: last"
    assert PASSWORD not in "\n".join(lines)

    before = await jobs(kube, target)
    assert (await run(kube, target, shell(script))).status is Status.SKIPPED
    after = await jobs(kube, target)
    assert [job["metadata"]["resourceVersion"] for job in before] == [
        job["metadata"]["resourceVersion"] for job in after
    ]


async def test_a_failed_migration_is_an_error_with_its_last_words_and_makes_way_for_another_try(
    kube: KubeClient, target: Target
) -> None:
    broken = shell("(echo 'relation users exists'; echo password=canary-9) >&2; exit 3")
    uids = set()
    for _ in range(2):
        with pytest.raises(MigrationFailedError, match="ended with exit code 3") as caught:
            await run(kube, target, broken)
        assert "relation users exists password=***" in str(caught.value)
        assert "kubectl --namespace" in caught.value.next_command
        assert caught.value.outputs == {"job": name_of(target, broken, DIGEST)}
        uids |= {job["metadata"]["uid"] for job in await jobs(kube, target)}
    assert len(uids) == 2
    assert len(await jobs(kube, target)) == 1


async def test_a_migration_that_takes_too_long_is_stopped(kube: KubeClient, target: Target) -> None:
    slow = shell("echo begun; sleep 600", timeout_s=3)
    with pytest.raises(DeadlineError, match="stopped after 3 s; its last words: begun") as caught:
        await run(kube, target, slow)
    assert caught.value.outputs == {"job": name_of(target, slow, DIGEST)}


async def test_one_whose_container_cannot_start_leaves_nothing_that_could_start_later(
    kube: KubeClient, target: Target
) -> None:
    with pytest.raises(MigrationFailedError, match="cannot pull its image") as unpulled:
        await run(kube, target, shell("true", image="registry.invalid/acme/none:1"))
    assert await jobs(kube, target) == []
    absent = replace(shell("true"), command=("/app/migrate",))
    with pytest.raises(MigrationFailedError, match="could not start: ") as unstarted:
        await run(kube, target, absent)
    # What has not begun has changed nothing: no receipt names its Job.
    assert unpulled.value.outputs == unstarted.value.outputs == {}


async def test_runs_at_once_share_one_job_and_a_cancelled_one_leaves_it_to_its_end(
    kube: KubeClient, target: Target
) -> None:
    slow = shell("echo begun; sleep 5; echo done")
    lines: list[str] = []
    with anyio.move_on_after(30) as hurried:

        def cancel(line: str) -> None:
            if line == "migrate: begun":
                hurried.cancel()

        await migrate(kube, replace(target, migration=slow), digest=DIGEST, report=cancel)
    assert hurried.cancelled_caught
    results = await together(*(partial(run, kube, target, slow, lines) for _ in range(4)))
    assert {result.status for result in results} == {Status.SUCCEEDED}
    assert sum(bool(re.search(r"runs already: waiting for it", line)) for line in lines) == 4
    assert len(await jobs(kube, target)) == 1
    assert (await run(kube, target, slow)).summary == f"Job {name_of(target, slow, DIGEST)}: has run already"


async def test_two_commits_migrations_of_one_service_run_one_after_the_other(
    kube: KubeClient, target: Target
) -> None:
    lines: list[str] = []
    slow = shell("echo begun; sleep 4; echo done")
    commits = [replace(target, commit=f"{number}2345678" + "0" * 32) for number in range(3)]
    results = await together(*(partial(run, kube, commit, slow, lines) for commit in commits))
    assert {result.status for result in results} == {Status.SUCCEEDED}
    assert sum("waiting for Job api-migrate-" in line for line in lines) >= 2
    listed = await kube.list(f"/api/v1/namespaces/{target.namespace}/pods")
    ended = [pod["status"]["containerStatuses"][0]["state"]["terminated"] for pod in listed]
    spans = sorted((state["startedAt"], state["finishedAt"]) for state in ended)
    assert len(spans) == 3
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
    # Nothing is left but what ran, and no turn is held.
    assert len(await jobs(kube, target)) == 3
    assert (await run(kube, commits[0], slow)).status is Status.SKIPPED


async def test_a_turn_of_a_killed_run_delays_a_migration_and_does_not_stop_it(
    kube: KubeClient, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_turn, "STALE_S", 3)
    killed = migration_turn.Turns(kube, target, "somebody", silent)
    assert await killed._take()
    lines: list[str] = []
    assert (await run(kube, target, shell("true"), lines)).status is Status.SUCCEEDED
    assert "migrate: Job api-migrate-turn is left over from a run that was killed: removing it" in lines
    assert [job["metadata"]["name"] for job in await jobs(kube, target)] == [
        name_of(target, shell("true"), DIGEST)
    ]


async def test_the_commit_names_the_migration_and_a_rollback_the_deploys_that_ran_one(
    kube: KubeClient, target: Target, gitops: GitSettings
) -> None:
    accounts = Accounts(registry=cast("Any", None), git=gitops, postgres=cast("Any", None))

    async def passage(commit: str) -> tuple[Passage, str]:
        wanted = replace(target, commit=commit, migration=shell("echo migrated"))
        delivery = Delivery(
            target=wanted,
            kube=kube,
            applications=KubernetesApplications(kube),
            run_id="run-1",
            report=silent,
        )
        one = Passage("api", delivery, accounts, command="dagger call deploy")
        one.digest = DIGEST
        await one.migrate()
        return one, str(one.run.results["migrate"].status)

    # Whoever was killed between migration and commit comes again, and finds the Job done.
    assert (await passage(OLD))[1] == "Succeeded"
    again, status = await passage(OLD)
    assert status == "Skipped"
    for one in (again, (await passage(NEW))[0]):
        await commit_images([one], source_url="", ancestors=None)
        assert one.run.error is None, one.run.error

    async with git.clone(gitops, depth=200) as copy:
        await copy.fetch()
        entries = await history.read(copy, "api", target.values, limit=10)
        way = await rollback.find(copy, target, to="", revert="")
    settings = shell("echo migrated")
    names = [name_of(replace(target, commit=commit), settings, DIGEST) for commit in (NEW, OLD)]
    assert [entry.migration for entry in entries] == names
    assert way
    said = rollback.warning(way, target)
    assert said.startswith(
        f"api: a migration ran in 1 deploy(s) since {OLD[:8]}: {NEW[:12]} (Job {names[0]})"
    )
