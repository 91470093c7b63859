"""Waiting for a workload that does not come up: fast failure, last words."""

from __future__ import annotations

import anyio
import pytest

from slipway_host import pods, waiting
from slipway_host.errors import (
    DeadlineError,
    NotFoundError,
    RolloutFailedError,
    ServiceUnavailableError,
)
from slipway_host.results import Status
from support.rollout_cluster import (
    BACKOFF,
    CRASHED,
    DONE,
    NEW,
    OLD,
    OLD_SET,
    PULL,
    PULL_BACKOFF,
    RUNNING,
    WAITING,
    Cluster,
    Json,
    deployment,
    pod,
    replica_set,
    run,
    stage,
    world,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_S", 0.005)


async def test_a_crash_loop_fails_at_once_with_the_last_words_scrubbed() -> None:  # fault 85
    log = (
        "boot\ndial postgres://api:canary-url-pw@db/api failed\n"
        "jwt canary-jwt-value\nDB_PASSWORD=canary-env-pw\n::error::panic: no database\n"
    )
    cluster = Cluster(stage(pod("n1", "new", NEW, BACKOFF, **CRASHED)), log=log)
    with anyio.fail_after(5), pytest.raises(RolloutFailedError) as caught:
        await run(cluster, fatal_after_s=60)
    assert "exit code 1" in caught.value.cause
    assert "panic: no database" in caught.value.cause
    assert "canary" not in caught.value.cause
    assert "::" not in caught.value.cause
    assert caught.value.next_command == "kubectl -n mosuon logs n1 -c app --previous"
    assert cluster.logs == [("n1", "app", True)]


async def test_a_crash_without_a_readable_log_still_fails_as_a_crash() -> None:
    cluster = Cluster(stage(pod("n1", "new", NEW, BACKOFF, **CRASHED)), log=NotFoundError("the pod is gone"))
    with pytest.raises(RolloutFailedError, match="crashes: exit code 1"):
        await run(cluster)


async def test_a_crashing_old_pod_does_not_fail_the_new_revision() -> None:
    crashing = pod("o1", "old", OLD, BACKOFF, **CRASHED)
    result = await run(Cluster(stage(crashing), stage(crashing), stage(crashing), DONE))
    assert result.status is Status.SUCCEEDED


async def test_a_first_failed_pull_gets_a_moment() -> None:  # fault 86
    failing = stage(pod("n1", "new", NEW, PULL))
    result = await run(Cluster(failing, failing, failing, DONE), fatal_after_s=10)
    assert result.status is Status.SUCCEEDED


async def test_a_refused_pull_without_its_secret_gets_until_the_kubelet_tries_again() -> None:
    denied: Json = {"waiting": {"reason": "ErrImagePull", "message": "status code: 401 Unauthorized"}}
    failing = stage(pod("n1", "new", NEW, denied))
    cluster = Cluster(failing, failing, DONE)
    cluster.events = [{"reason": pods.NO_PULL_SECRET}]
    result = await run(cluster, fatal_after_s=0)
    assert result.status is Status.SUCCEEDED
    # The kubelet had the pull secret, and the registry refuses it: nothing is to be waited for.
    with pytest.raises(RolloutFailedError, match="refuses the node's credentials"):
        await run(Cluster(failing, failing, DONE), fatal_after_s=0)
    # There is none, and there will be none.
    without = Cluster(failing, failing, DONE)
    without.events, without.pull_secret = cluster.events, None
    with pytest.raises(RolloutFailedError, match="refuses the node's credentials"):
        await run(without, fatal_after_s=0)


@pytest.mark.parametrize(
    ("message", "secret", "passes"),
    [
        ('secret "api-secrets" not found', {"data": {}}, True),
        ("couldn't find key JWT_SECRET in Secret mosuon/api-secrets", {"data": {"JWT_SECRET": "eA=="}}, True),
        ("couldn't find key JWT_SECRET in Secret mosuon/api-secrets", {"data": {}}, False),
        ('secret "api-secrets" not found', None, False),
        ('secret "another" not found', {"data": {}}, False),
        ('configmap "api-secrets" not found', {"data": {}}, False),
    ],
)
async def test_pods_older_than_their_secret_get_until_the_kubelet_looks_again(
    message: str, secret: Json | None, *, passes: bool
) -> None:
    lacking: Json = {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
    failing = stage(pod("n1", "new", NEW, lacking))
    cluster = Cluster(failing, failing, DONE)
    cluster.secret = secret
    if passes:
        assert (await run(cluster, fatal_after_s=0)).status is Status.SUCCEEDED
    else:
        with pytest.raises(RolloutFailedError, match="asks for configuration that is not there"):
            await run(cluster, fatal_after_s=0)


async def test_a_pull_that_keeps_failing_ends_the_wait_with_its_first_cause() -> None:
    cluster = Cluster(
        stage(pod("n1", "new", NEW, PULL)),
        stage(pod("n1", "new", NEW, PULL)),
        stage(pod("n1", "new", NEW, PULL_BACKOFF)),
    )
    with anyio.fail_after(5), pytest.raises(RolloutFailedError) as caught:
        await run(cluster, fatal_after_s=0.3)
    assert "the registry has no such tag or digest" in caught.value.cause
    assert cluster.logs == []


async def test_quota_is_read_from_the_replica_set() -> None:  # fault 87
    message = 'pods "api-new-x" is forbidden: exceeded quota: compute, requested: memory=1Gi'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    full = replica_set("new", NEW, 2, conditions=[{**failure, "message": message}])
    cluster = Cluster(world(deployment(**WAITING), [OLD_SET, full]))
    with pytest.raises(RolloutFailedError, match="exceeded quota") as caught:
        await run(cluster, fatal_after_s=0.05)
    assert caught.value.next_command == "kubectl -n mosuon describe replicaset api-new"


async def test_a_controller_that_gave_up_fails_the_rollout() -> None:
    gave_up = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": 'ReplicaSet "api-new" has timed out progressing.',
    }
    with pytest.raises(RolloutFailedError, match="ProgressDeadlineExceeded"):
        await run(Cluster(stage(conditions=[gave_up])), fatal_after_s=0.05)


async def test_a_paused_deployment_is_said_to_be_paused() -> None:
    paused = stage()
    paused["body"]["spec"]["paused"] = True
    with pytest.raises(RolloutFailedError, match="is paused") as caught:
        await run(Cluster(paused))
    assert caught.value.next_command == "kubectl -n mosuon rollout resume deployment/api"


async def test_the_deadline_tells_the_last_state() -> None:
    cluster = Cluster(stage(pod("n1", "new", NEW, RUNNING)))
    with anyio.fail_after(5), pytest.raises(DeadlineError) as caught:
        await run(cluster, deadline_s=0.2)
    assert "1 of 2 pods updated; pod n1: Running" in caught.value.cause


async def test_the_deadline_tells_what_a_probe_said() -> None:  # fault 89
    cluster = Cluster(stage(pod("n1", "new", NEW, RUNNING)))
    words = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    cluster.events = [{"reason": "Unhealthy", "message": words}]
    with (
        anyio.fail_after(5),
        pytest.raises(DeadlineError, match="n1 is not ready: Readiness probe"),
    ):
        await run(cluster, deadline_s=0.2)


async def test_a_container_that_its_liveness_probe_kills_is_said_to_be_killed() -> None:  # fault 85
    cluster = Cluster(stage(pod("n1", "new", NEW, BACKOFF, **CRASHED)), log="serving\n")
    cluster.events = [
        {"reason": "Killing", "message": "Container app failed liveness probe, will be restarted"},
        {"reason": "Unhealthy", "message": "Liveness probe failed: HTTP probe failed with statuscode: 500"},
    ]
    with pytest.raises(RolloutFailedError) as caught:
        await run(cluster)
    assert "the kubelet kills it: Liveness probe failed" in caught.value.cause
    assert caught.value.cause.endswith("its last words: serving")


async def test_a_restarting_api_server_does_not_end_the_wait() -> None:
    outage = ServiceUnavailableError("the API server restarts")
    result = await run(Cluster(stage(), stage(), outage, DONE))
    assert result.status is Status.SUCCEEDED
