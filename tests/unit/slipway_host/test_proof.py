"""The proof: synced at our commit, Healthy, and every pod on our digest."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import pytest

from slipway_host import proof, waiting
from slipway_host.applications import KubernetesApplications
from slipway_host.errors import (
    DeadlineError,
    HealthDegradedError,
    SupersededError,
    TerminalError,
)
from slipway_host.progress import silent
from slipway_host.proof import prove
from slipway_host.results import Status
from support.target import api_target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult

Json = dict[str, Any]
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
BEFORE, OURS, LATER = "0" * 40, "c" * 40, "d" * 40
TARGET = api_target()
NEW, OLD = f"{TARGET.repository}:{TARGET.tag}", f"{TARGET.repository}:99999999"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_S", 0.005)


def application(
    revision: str = OURS, health: str = "Healthy", *, status: str = "Synced", at: str = "1"
) -> Json:
    return {
        "metadata": {"name": "api", "namespace": "argocd"},
        "spec": {},
        "status": {
            "sync": {"status": status, "revision": revision},
            "health": {"status": health},
            "reconciledAt": f"2026-01-01T00:00:0{at}Z",
        },
    }


def deployment(image: str = NEW, *, replicas: int = 1) -> Json:
    return {
        "metadata": {"name": "api", "namespace": "mosuon", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "api"}},
            "template": {"spec": {"containers": [{"name": "app", "image": image}]}},
        },
        "status": {
            "observedGeneration": 1,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": replicas,
        },
    }


def pod(name: str, digest: str = DIGEST, *, image: str = NEW, ready: bool = True) -> Json:
    return {
        "metadata": {
            "name": name,
            "namespace": "mosuon",
            "uid": name,
            "ownerReferences": [{"uid": "r"}],
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": image}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {
                    "name": "app",
                    "restartCount": 0,
                    "imageID": f"{TARGET.repository}@{digest}",
                    "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                }
            ],
        },
    }


def leaving(body: Json) -> Json:
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return body


class Cluster:
    """Shows one world after the other, a new one at each look at the Application."""

    def __init__(self, *worlds: tuple[Json, Json | None, list[Json]]) -> None:
        self.worlds = list(worlds)
        self.now = worlds[0]

    async def find(self, path: str) -> Json | None:
        if path.endswith("/applications/api"):
            self.now = self.worlds.pop(0) if len(self.worlds) > 1 else self.worlds[0]
            return copy.deepcopy(self.now[0])
        assert path.endswith("/deployments/api")
        return copy.deepcopy(self.now[1])

    async def list(self, path: str, *, selector: str = "", fields: str = "") -> list[Json]:
        assert (selector, fields) == ("app=api", "")
        if path.endswith("/pods"):
            return copy.deepcopy(self.now[2])
        owner = {"uid": "r", "ownerReferences": [{"uid": "d"}]}
        return [{"metadata": owner, "spec": {"template": {}}}]

    async def watch(
        self, path: str, *, selector: str = "", fields: str = ""
    ) -> AsyncIterator[tuple[str, Json]]:
        assert path
        assert selector or fields
        while True:
            yield "MODIFIED", {}
            await anyio.sleep(0.01)


async def contains(revision: str) -> bool:
    await anyio.lowlevel.checkpoint()
    return revision in {OURS, LATER}


async def run(
    *worlds: tuple[Json, Json | None, list[Json]],
    lines: list[str] | None = None,
    deadline_s: float = 5,
) -> StageResult:
    kube = cast("KubeClient", Cluster(*worlds))
    return await prove(
        kube,
        KubernetesApplications(kube),
        TARGET,
        commit=OURS,
        digest=DIGEST,
        contains=contains,
        report=lines.append if lines is not None else silent,
        deadline_s=deadline_s,
    )


async def test_the_proof_names_revision_and_pods() -> None:  # R15
    result = await run((application(), deployment(), [pod("n1")]))
    assert result.status is Status.SUCCEEDED
    assert result.outputs == {
        "revision": OURS,
        "pods": [
            {
                "name": "n1",
                "node": "node-1",
                "image_id": f"{TARGET.repository}@{DIGEST}",
                "started_at": "2026-01-01T00:00:00Z",
            }
        ],
    }


async def test_a_descendant_proves_our_commit() -> None:
    result = await run((application(LATER), deployment(), [pod("n1")]))
    assert result.outputs["revision"] == LATER


async def test_everything_that_is_missing_is_waited_for() -> None:
    lines: list[str] = []
    old = pod("o1", OTHER, image=OLD)
    await run(
        (application(BEFORE), deployment(OLD), [old]),
        (application(status="OutOfSync"), deployment(OLD), [old]),
        (application(), deployment(OLD), [old]),
        (application(), deployment(), [old, pod("n1")]),
        (application(health="Progressing"), deployment(), [pod("n1")]),
        (application(), deployment(), [pod("n1")]),
        lines=lines,
    )
    assert lines == [
        "Argo CD is Synced at 00000000, Healthy, and not Synced at cccccccc or later",
        "Argo CD is OutOfSync at cccccccc, Healthy, and not Synced at cccccccc or later",
        f"Deployment/api asks for {OLD}, not for {NEW} yet",
        f"pod o1 runs {TARGET.repository}@{OTHER}, of another revision",
        "Argo CD says Synced at cccccccc, Progressing",
    ]


async def test_a_pod_on_its_way_out_does_not_count() -> None:
    old = leaving(pod("o1", OTHER, image=OLD))
    result = await run((application(), deployment(), [old, pod("n1")]))
    assert [found["name"] for found in result.outputs["pods"]] == ["n1"]


async def test_nothing_ready_proves_nothing() -> None:
    with pytest.raises(DeadlineError, match="no pod is ready"):
        await run((application(), deployment(replicas=0), []), deadline_s=0.1)


async def test_a_moved_tag_is_refused_with_both_digests() -> None:
    with anyio.fail_after(5), pytest.raises(TerminalError) as caught:
        await run((application(), deployment(), [pod("n1", OTHER)]), deadline_s=60)
    assert OTHER in caught.value.cause
    assert DIGEST in caught.value.cause
    assert TARGET.tag in caught.value.cause


async def test_a_pod_pinned_to_our_digest_runs_it_whatever_the_node_calls_it() -> None:
    # The node may name the manifest of its platform, where ours is the index.
    pinned = f"{NEW}@{DIGEST}"
    result = await run((application(), deployment(pinned), [pod("n1", OTHER, image=pinned)]))
    assert result.status is Status.SUCCEEDED


def test_a_manifest_counts_only_where_the_index_has_it() -> None:  # R15
    running = pod("n1", OTHER)
    assert proof.runs(running, TARGET, DIGEST, frozenset({OTHER}))
    assert not proof.runs(running, TARGET, DIGEST, frozenset({"sha256:" + "9" * 64}))
    assert not proof.runs(running, TARGET, DIGEST)


def test_a_bare_image_id_is_no_digest_of_a_repository() -> None:
    bare = pod("n1")
    bare["status"]["containerStatuses"][0]["imageID"] = DIGEST
    assert not proof.runs(bare, TARGET, DIGEST)


async def test_a_later_deploy_of_the_same_service_supersedes_ours() -> None:
    newer = pod("n2", OTHER, image=OLD)
    with anyio.fail_after(5), pytest.raises(SupersededError, match="dddddddd"):
        await run((application(LATER), deployment(OLD), [newer]), deadline_s=60)


async def test_a_fresh_degraded_ends_the_wait_at_once() -> None:
    with anyio.fail_after(5), pytest.raises(HealthDegradedError, match="Degraded"):
        await run(
            (application(health="Progressing", at="1"), deployment(), [pod("n1")]),
            (application(health="Degraded", at="2"), deployment(), [pod("n1")]),
            deadline_s=60,
        )


async def test_a_degraded_from_before_is_given_time() -> None:
    result = await run(
        (application(health="Degraded", at="1"), deployment(), [pod("n1")]),
        (application(health="Degraded", at="1"), deployment(), [pod("n1")]),
        (application(at="2"), deployment(), [pod("n1")]),
    )
    assert result.status is Status.SUCCEEDED


async def test_a_health_that_never_comes_is_a_health_error() -> None:
    world = (application(health="Progressing"), deployment(), [pod("n1")])
    with pytest.raises(HealthDegradedError, match="Progressing"):
        await run(world, deadline_s=0.1)


async def test_a_commit_that_is_never_synced_is_a_deadline_error() -> None:
    with pytest.raises(DeadlineError, match="not Synced at cccccccc"):
        await run((application(BEFORE), deployment(), [pod("n1")]), deadline_s=0.1)
