"""Waiting for a workload: progress, and which pods count."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from slipway_host import pods, rollout, troubles, waiting
from slipway_host.results import Status
from slipway_host.workload import Workload, read_workload
from support.rollout_cluster import (
    BACKOFF,
    CREATING,
    DIGEST,
    DONE,
    NEW,
    NEW_SET,
    OLD,
    OLD_SET,
    RUNNING,
    STATEFUL,
    TARGET,
    Cluster,
    Json,
    deployment,
    pod,
    replica_set,
    run,
    stage,
    world,
)

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_S", 0.005)


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
