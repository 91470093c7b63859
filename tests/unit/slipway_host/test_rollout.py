"""Waiting for a workload: progress, fast failure, last words."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from pydantic import SecretStr

from slipway_host import pods, rollout, troubles, waiting
from slipway_host.errors import (
    DeadlineError,
    NotFoundError,
    RolloutFailedError,
    ServiceUnavailableError,
)
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.rollout import wait_rollout
from slipway_host.settings import SecretsSettings
from slipway_host.workload import Workload, read_workload
from support.target import api_target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult

Json = dict[str, Any]
DIGEST = "sha256:" + "a" * 64
TARGET = api_target(
    secrets=SecretsSettings(name="api-secrets", given={"JWT_SECRET": SecretStr("canary-jwt-value")})
)
STATEFUL = replace(TARGET, workload_kind="StatefulSet")
NEW, OLD = f"{TARGET.repository}:{TARGET.tag}", f"{TARGET.repository}:99999999"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_S", 0.005)


def template(image: str) -> Json:
    return {"spec": {"containers": [{"name": "app", "image": image}]}}


def deployment(image: str = NEW, **status: Any) -> Json:
    complete = {
        "observedGeneration": 4,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
    }
    return {
        "metadata": {"name": "api", "namespace": "mosuon", "uid": "d", "generation": 4},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "api"}},
            "template": template(image),
        },
        "status": {**complete, **status},
    }


def replica_set(uid: str, image: str, revision: int, **status: Any) -> Json:
    return {
        "metadata": {
            "name": f"api-{uid}",
            "namespace": "mosuon",
            "uid": uid,
            "ownerReferences": [{"kind": "Deployment", "uid": "d"}],
            "annotations": {troubles.REVISION: str(revision)},
        },
        "spec": {"template": template(image)},
        "status": status,
    }


def pod(name: str, owner: str, image: str, state: Json, *, ready: bool = False, **more: Any) -> Json:
    return {
        "metadata": {
            "name": name,
            "namespace": "mosuon",
            "uid": name,
            "ownerReferences": [{"kind": "ReplicaSet", "uid": owner}],
            "labels": {"app": "api", "controller-revision-hash": owner},
        },
        **template(image),
        "status": {
            "phase": "Running" if "running" in state else "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {"name": "app", "image": image, "ready": ready, "restartCount": 0, "state": state} | more
            ],
        },
    }


RUNNING: Json = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
CREATING: Json = {"waiting": {"reason": "ContainerCreating"}}
BACKOFF: Json = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
CRASHED: Json = {"lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}, "restartCount": 1}
PULL: Json = {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}
PULL_BACKOFF: Json = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
WAITING: Json = {"updatedReplicas": 1, "replicas": 3, "unavailableReplicas": 1}


def world(body: Json | None, sets: list[Json] | None = None, found: list[Json] | None = None) -> Json:
    return {"body": body, "replicasets": sets or [], "pods": found or []}


class Cluster:
    """Shows one world after the other, a new one at each look; the last one stays."""

    def __init__(self, *worlds: Json | Exception, log: str | Exception = "") -> None:
        self.worlds = list(worlds)
        self.now: Json = {}
        self.log = log
        self.selectors: set[str] = set()
        self.logs: list[tuple[str, str, bool]] = []
        self.events: list[Json] = []

    async def find(self, path: str) -> Json | None:
        assert path.endswith("s/api")
        found = self.worlds.pop(0) if len(self.worlds) > 1 else self.worlds[0]
        if isinstance(found, Exception):
            raise found
        self.now = found
        return copy.deepcopy(cast("Json | None", found["body"]))

    async def list(self, path: str, *, selector: str = "", fields: str = "") -> list[Json]:
        if path.endswith("/events"):
            assert fields.startswith("involvedObject.name=")
            wanted = fields.partition(",reason=")[2]
            return [event for event in self.events if wanted in {"", event["reason"]}]
        assert not fields
        self.selectors.add(selector)
        return copy.deepcopy(cast("list[Json]", self.now[path.rpartition("/")[2]]))

    async def watch(
        self, path: str, *, selector: str = "", fields: str = ""
    ) -> AsyncIterator[tuple[str, Json]]:
        assert path
        assert selector or fields or self.now["body"] is None
        while True:
            yield "MODIFIED", {}
            await anyio.sleep(0.01)

    async def pod_log(
        self,
        namespace: str,
        name: str,
        container: str,
        *,
        previous: bool = False,
        limit_bytes: int = 4096,
    ) -> str:
        assert namespace == "mosuon"
        assert limit_bytes
        self.logs.append((name, container, previous))
        if isinstance(self.log, Exception):
            raise self.log
        return self.log


async def run(cluster: Cluster, lines: list[str] | None = None, **options: Any) -> StageResult:
    return await wait_rollout(
        cast("KubeClient", cluster),
        options.pop("target", TARGET),
        digest=DIGEST,
        report=lines.append if lines is not None else silent,
        **{"deadline_s": 20, **options},
    )


NEW_SET, OLD_SET = replica_set("new", NEW, 2), replica_set("old", OLD, 1)
DONE = world(
    deployment(),
    [OLD_SET, NEW_SET],
    [pod("n1", "new", NEW, RUNNING, ready=True), pod("n2", "new", NEW, RUNNING, ready=True)],
)


def stage(*found: Json, **status: Any) -> Json:
    return world(deployment(**{**WAITING, **status}), [OLD_SET, NEW_SET], list(found))


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ({"observedGeneration": 3}, "has not seen the change"),
        ({"updatedReplicas": 1}, "1 of 2 pods updated"),
        ({"replicas": 3}, "1 old pods are still there"),
        ({"availableReplicas": 1, "unavailableReplicas": 1}, "1 of 2 new pods available"),
        ({"unavailableReplicas": 1}, "new pods available"),
    ],
)
def test_a_deployment_is_not_complete_while(status: Json, line: str) -> None:  # R13, fault 90
    workload = Workload(body=deployment(**status), replica_sets=(), pods=())
    seen = rollout.progress(workload, TARGET, DIGEST)
    assert not seen.complete
    assert line in seen.line


def test_a_stateful_set_is_complete_once_its_update_revision_is_current() -> None:
    body = deployment(currentRevision="api-1", updateRevision="api-2")
    seen = rollout.progress(Workload(body=body, replica_sets=(), pods=()), STATEFUL, DIGEST)
    assert not seen.complete
    body["status"]["currentRevision"] = "api-2"
    seen = rollout.progress(Workload(body=body, replica_sets=(), pods=()), STATEFUL, DIGEST)
    assert seen.complete


def test_a_complete_rollout_of_another_image_is_not_ours() -> None:
    workload = Workload(body=deployment(OLD), replica_sets=(OLD_SET,), pods=())
    seen = rollout.progress(workload, TARGET, DIGEST)
    assert not seen.complete
    assert OLD in seen.line


def test_only_pods_of_the_newest_replica_set_with_our_image_count() -> None:
    # A rollback and a return leave an older ReplicaSet with the very same image.
    earlier = replica_set("earlier", NEW, 1)
    found = (pod("e", "earlier", NEW, BACKOFF), pod("n", "new", NEW, CREATING))
    workload = Workload(body=deployment(), replica_sets=(NEW_SET, earlier), pods=found)
    assert [pods.name(p) for p in troubles.new_pods(workload, TARGET, DIGEST)] == ["n"]


def test_only_pods_of_the_update_revision_count_in_a_stateful_set() -> None:
    body = deployment(currentRevision="old", updateRevision="new")
    found = (pod("api-0", "old", OLD, BACKOFF), pod("api-1", "new", NEW, CREATING))
    workload = Workload(body=body, replica_sets=(), pods=found)
    assert [pods.name(p) for p in troubles.new_pods(workload, STATEFUL, DIGEST)] == ["api-1"]


def test_a_daemon_set_is_complete_once_every_node_has_a_new_pod() -> None:  # R13
    target = replace(TARGET, workload_kind="DaemonSet")
    body = deployment(updatedNumberScheduled=2, numberAvailable=3, numberReady=3)
    body["status"] |= {"desiredNumberScheduled": 3, "currentNumberScheduled": 3}
    del body["spec"]["replicas"]
    seen = rollout.progress(Workload(body=body, replica_sets=(), pods=()), target, DIGEST)
    assert (seen.complete, seen.line) == (False, "DaemonSet/api: 2 of 3 pods updated")
    body["status"] |= {"updatedNumberScheduled": 3, "numberAvailable": 2, "numberUnavailable": 1}
    seen = rollout.progress(Workload(body=body, replica_sets=(), pods=()), target, DIGEST)
    assert (seen.complete, seen.line) == (False, "DaemonSet/api: 2 of 3 new pods available")
    body["status"] |= {"numberAvailable": 3, "numberUnavailable": 0}
    assert rollout.progress(Workload(body=body, replica_sets=(), pods=()), target, DIGEST).complete


def test_only_pods_with_our_image_count_in_a_daemon_set() -> None:
    found = (pod("n1", "d", NEW, RUNNING), pod("o1", "d", OLD, RUNNING))
    target = replace(TARGET, workload_kind="DaemonSet")
    workload = Workload(body=deployment(), replica_sets=(), pods=found)
    assert [pods.name(one) for one in troubles.new_pods(workload, target, DIGEST)] == ["n1"]


async def test_pods_of_others_with_the_same_labels_are_left_out() -> None:
    cluster = Cluster(world(deployment(), [NEW_SET], [pod("x", "stranger", NEW, RUNNING)]))
    found = await read_workload(cast("KubeClient", cluster), TARGET)
    assert found is not None
    assert found.pods == ()
    assert cluster.selectors == {"app=api"}


async def test_a_complete_rollout_is_skipped() -> None:
    result = await run(Cluster(DONE))
    assert result.status is Status.SKIPPED
    assert result.outputs == {"pods": ["n1", "n2"]}


async def test_a_rollout_is_waited_for_from_before_the_workload_exists() -> None:  # R13
    lines: list[str] = []
    old = world(deployment(OLD), [OLD_SET], [pod("o1", "old", OLD, RUNNING, ready=True)])
    result = await run(
        Cluster(
            world(None),
            world(None),
            old,
            stage(pod("n1", "new", NEW, CREATING)),
            stage(pod("n1", "new", NEW, RUNNING)),
            DONE,
        ),
        lines,
    )
    assert result.status is Status.SUCCEEDED
    assert lines == [
        "Deployment/api does not exist yet: waiting for Argo CD to create it",
        f"Deployment/api asks for {OLD}, not for {NEW} yet",
        "Deployment/api: 1 of 2 pods updated",
        "pod n1: Pending (ContainerCreating)",
        "pod n1: Running",
        "Deployment/api: all 2 pods are updated and available",
        "pod n1: Ready",
        "pod n2: Ready",
    ]


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
