"""A smoke test's way through what the lab's cluster does not do on demand (R14)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import anyio
import pytest
from tenacity import wait_none

from slipway_host import creation, job_run, revision_job, waiting
from slipway_host.errors import (
    DeadlineError,
    HealthDegradedError,
    ServiceUnavailableError,
    SmokeTestError,
    SupersededError,
)
from slipway_host.job_manifest import manifest
from slipway_host.results import Status
from slipway_host.revision_job import OWNER, Revision
from slipway_host.settings import SmokeSettings
from slipway_host.smoke import name_of, passed, smoke, task_of
from slipway_host.workload import Workload
from support.migration import DIGEST, DONE, FAILED, Json, existing
from support.revision_place import Place, deployment, replica_set, serving
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult
    from slipway_host.settings import Target

SMOKE = SmokeSettings(command=("/app/smoke",), timeout_s=60)
TARGET = api_target(smoke=SMOKE)
RUN = "20261126T180000-0001"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "wait_random_exponential", lambda **_: wait_none())
    monkeypatch.setattr(waiting, "SETTLE_S", 0.001)
    monkeypatch.setattr(job_run, "GRACE_S", 0.5)


async def run(
    place: Place, target: Target = TARGET, lines: list[str] | None = None, *, again: bool = False
) -> StageResult:
    report = (lines if lines is not None else []).append
    revision = Revision(DIGEST)
    return await smoke(cast("KubeClient", place), target, revision, run_id=RUN, report=report, again=again)


async def test_without_a_smoke_test_nothing_is_asked() -> None:
    result = await run(Place(), replace(TARGET, smoke=None))
    assert (result.status, result.summary) == (Status.SKIPPED, "no smoke test is configured")


async def test_it_is_told_of_the_ready_pods_of_the_new_revision_and_of_no_others() -> None:
    place = Place()
    place.sets = [replica_set("new", "2"), replica_set("same-image", "1"), replica_set("old", "0", "9" * 8)]
    place.serving = [
        serving("api-b", "fd00::3", "new"),
        serving("api-a", "10.0.0.2", "new"),
        serving("api-starts", "10.0.0.4", "new", ready=False),
        serving("api-moved", "10.0.0.5", "new", digest="sha256:" + "b" * 64),
        serving("api-earlier", "10.0.0.6", "same-image"),
        serving("api-old", "10.0.0.7", "old", digest="sha256:" + "c" * 64),
    ]
    place.looks = [lambda: place.became(DONE)]
    assert (await run(place)).status is Status.SUCCEEDED
    assert place.given == {
        "SMOKE_URL": "http://10.0.0.2:4000",
        "SMOKE_URLS": "http://10.0.0.2:4000 http://[fd00::3]:4000",
    }


async def test_without_a_ready_pod_there_is_nothing_to_test() -> None:
    place = Place()
    place.serving = [serving("api-a", "10.0.0.2", "new", ready=False)]
    with pytest.raises(HealthDegradedError, match=f"no ready pod of the new revision runs {DIGEST}"):
        await run(place)
    place.deployment = None
    with pytest.raises(HealthDegradedError, match="no ready pod"):
        await run(place)
    assert place.created == 0


async def test_what_has_passed_runs_again_only_on_request() -> None:
    place = Place(existing(DONE))
    assert (await run(place)).status is Status.SKIPPED
    assert (place.created, place.deleted) == (0, 0)
    place.looks = [lambda: None, lambda: None, lambda: place.became(DONE)]
    assert (await run(place, again=True)).status is Status.SUCCEEDED
    assert (place.created, place.deleted) == (1, 1)


async def test_a_failed_test_is_as_a_failed_health_check_and_its_job_stays_to_be_read() -> None:
    place = Place()
    place.log = ["GET /scores: 500", "token=canary"]
    place.looks = [lambda: place.became(FAILED, 1)]
    with pytest.raises(HealthDegradedError) as caught:
        await run(place)
    assert "ended with exit code 1; its last words: GET /scores: 500 token=***" in str(caught.value)
    assert str(caught.value).endswith("Next: kubectl --namespace mosuon logs job/" + name())
    assert place.deleted == 0


async def test_a_test_of_pods_that_a_newer_deploy_took_away_says_nothing_of_them() -> None:
    place = Place()

    def replaced() -> None:
        place.deployment = deployment("3", "abababab")
        place.became(FAILED, 1)

    place.looks = [replaced]
    with pytest.raises(SupersededError, match=f"another image has replaced {DIGEST} since"):
        await run(place)


@pytest.mark.parametrize("mine", [True, False])
async def test_a_cancelled_run_takes_its_own_job_away_and_no_other_one(mine: bool) -> None:  # noqa: FBT001
    place = Place()
    if not mine:
        place.job = existing([])
        place.job["metadata"]["annotations"] = {OWNER: "another"}
    with anyio.move_on_after(0.1) as scope:
        await run(place)
    assert scope.cancelled_caught
    assert (place.created, place.deleted) == ((1, 1) if mine else (0, 0))


async def test_a_cluster_that_does_not_answer_any_more_hides_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revision_job, "ANSWER_S", 0.2)
    place = Place()
    broken = False

    async def find(path: str) -> Json | None:
        if broken:
            raise ServiceUnavailableError("away")
        return await Place.find(place, path)

    def vanish() -> None:
        nonlocal broken
        broken = True

    monkeypatch.setattr(place, "find", find)
    place.looks = [vanish]
    with pytest.raises(DeadlineError, match="no end after 1 s"):
        await run(place, replace(TARGET, smoke=replace(SMOKE, timeout_s=1)))


async def test_a_job_that_gets_no_pod_is_an_error_with_kubernetes_reason_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_run, "STUCK_S", 0.05)
    place = Place()
    place.events = [{"reason": "FailedCreate", "message": "exceeded quota: small, requested: pods=1"}]
    with pytest.raises(SmokeTestError, match="gets no pod: exceeded quota: small, requested: pods=1"):
        await run(place)
    assert (place.created, place.deleted, place.job) == (1, 1, None)


def name(settings: SmokeSettings = SMOKE, digest: str = DIGEST, *, body: Json | None = None) -> str:
    workload = Workload(body=body or deployment(), replica_sets=(), pods=())
    return name_of(TARGET, settings, digest, workload)


def test_the_name_is_the_same_for_the_same_test_of_the_same_revision() -> None:
    assert name() == name(replace(SMOKE, timeout_s=7))
    others = {
        name(digest="sha256:" + "b" * 64),
        name(body=deployment("3")),
        name(body={**deployment(), "metadata": {"uid": "d", "generation": 7}}),
        name(replace(SMOKE, command=("/app/smoke", "-v"))),
        name(replace(SMOKE, image="smoke:1")),
        name(replace(SMOKE, env={"A": "b"})),
        name(replace(SMOKE, secret_keys=("TOKEN",))),
        name(replace(SMOKE, memory="1Gi")),
        name(replace(SMOKE, run_as_user=7)),
    }
    assert len(others - {name()}) == 9


async def test_a_plan_knows_what_has_passed() -> None:
    async def asked(place: Place, digest: str = DIGEST) -> bool:
        return await passed(cast("KubeClient", place), TARGET, SMOKE, digest=digest)

    assert await asked(Place(existing(DONE)))
    assert not await asked(Place(existing(FAILED)))
    assert not await asked(Place())
    other = Place(existing(DONE))
    other.deployment = deployment("3", "abababab")
    assert not await asked(other)


def test_the_container_gets_addresses_settings_and_named_keys_of_the_secret() -> None:
    settings = replace(SMOKE, env={"PAGE": "$(SMOKE_URL)/x"}, secret_keys=("TOKEN",), memory="1Gi")
    task = task_of(TARGET, settings, DIGEST, ("http://10.0.0.2:4000",))
    body = manifest(TARGET, "smoke", task)
    (container,) = body["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{TARGET.repository}@{DIGEST}"
    assert container["env"] == [
        {"name": "SMOKE_URL", "value": "http://10.0.0.2:4000"},
        {"name": "SMOKE_URLS", "value": "http://10.0.0.2:4000"},
        {"name": "PAGE", "value": "$(SMOKE_URL)/x"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api-secrets", "key": "TOKEN"}}},
    ]
    assert "envFrom" not in container
    # Kubernetes refuses what requests more than its limit.
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"] == "1Gi"
