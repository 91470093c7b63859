"""R17: one screen of what runs, and what cannot be read is said in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from slipway_host.applications import KubernetesApplications
from slipway_host.errors import AccessDeniedError, NotFoundError
from slipway_host.overview import Overview, overviews, screen
from support.git_work import publish, settings
from support.target import api_target

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_host.kube import KubeClient
    from slipway_host.settings import GitSettings

Json = dict[str, Any]
SOURCE = "ab12cd34" + "0" * 32
DIGEST = "sha256:" + "1" * 64
TARGET = api_target(commit="f" * 40)
APPLICATION: Json = {
    "metadata": {"name": "api", "namespace": "argocd"},
    "spec": {},
    "status": {
        "sync": {"status": "Synced", "revision": "c" * 40},
        "health": {"status": "Degraded"},
        "operationState": {"phase": "Succeeded"},
        "conditions": [{"type": "ComparisonError", "message": "no such chart"}],
    },
}


def pod(name: str, *, started: str, restarts: int = 0, owner: str = "rs") -> Json:
    return {
        "metadata": {"name": name, "namespace": "mosuon", "ownerReferences": [{"uid": owner}]},
        "spec": {
            "nodeName": "n1",
            "containers": [{"name": "api", "image": "registry.test:5000/acme/api:ab12cd34"}],
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {
                    "name": "api",
                    "imageID": f"registry.test:5000/acme/api@{DIGEST}",
                    "restartCount": restarts,
                    "state": {"running": {"startedAt": started}},
                }
            ],
        },
    }


class Cluster:
    """Objects by path, collections by path."""

    def __init__(self) -> None:
        labels = {"matchLabels": {"app": "api"}}
        self.objects: dict[str, Json | Exception] = {
            "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/api": APPLICATION,
            "/apis/apps/v1/namespaces/mosuon/deployments/api": {
                "metadata": {"uid": "d"},
                "spec": {"replicas": 2, "selector": labels},
                "status": {"readyReplicas": 2, "replicas": 2},
            },
        }
        self.lists: dict[str, list[Json]] = {
            "/apis/apps/v1/namespaces/mosuon/replicasets": [
                {"metadata": {"uid": "rs", "ownerReferences": [{"uid": "d"}]}}
            ],
            "/api/v1/namespaces/mosuon/pods": [
                pod("api-1", started="2026-01-02T03:04:05Z", restarts=3),
                pod("api-2", started="2026-01-01T00:00:00Z"),
                pod("stranger", started="2020-01-01T00:00:00Z", owner="other"),
            ],
        }

    async def find(self, path: str) -> Json | None:
        found = self.objects.get(path)
        if isinstance(found, Exception):
            raise found
        return found

    async def list(self, path: str, *, selector: str = "") -> list[Json]:
        assert selector == "app=api"
        return self.lists[path]


def deploy(work: Path) -> str:
    (work / TARGET.values).write_text('image:\n  tag: "ab12cd34"\n')
    trailers = f"Slipway-Source-Commit: {SOURCE}\nSlipway-Run: run-7\n"
    return publish(work, f"chore(api): update image tag to ab12cd34\n\n{trailers}")


async def look(cluster: Cluster, remote: GitSettings | Exception) -> Overview:
    async def repository() -> GitSettings:
        if isinstance(remote, Exception):
            raise remote
        return remote

    kube = cast("KubeClient", cluster)
    found = await overviews(
        [TARGET],
        kube=kube,
        applications=KubernetesApplications(kube),
        repository=repository,
        protocols=("file",),
    )
    return found[0]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_screen_says_image_commits_author_argocd_and_pods(cluster: Cluster, work: Path) -> None:
    commit = deploy(work)
    text = screen([await look(cluster, settings(work))])
    lines = text.splitlines()
    assert lines[0] == "api:"
    assert lines[1] == f"runs        ab12cd34, {DIGEST}, since 2026-01-01T00:00:00Z"
    assert " by x <x@x>, run run-7: chore(api): update image tag to ab12cd34" in lines[2]
    assert lines[3].strip() == f"GitOps commit {commit}, source commit {SOURCE}"
    assert lines[4] == "Argo CD     api Synced at cccccccc, Degraded, last operation Succeeded"
    assert lines[5].strip() == "ComparisonError: no such chart"
    assert lines[6] == "pods        Deployment/api in namespace mosuon: 2 of 2 pods ready"
    assert "api-1: Ready since 2026-01-02T03:04:05Z, 3 restarts" in lines[7]
    assert "stranger" not in text


async def test_json_has_the_same(cluster: Cluster, work: Path) -> None:
    commit = deploy(work)
    found = (await look(cluster, settings(work))).document
    assert found["images"] == [{"tag": "ab12cd34", "digest": DIGEST, "since": "2026-01-01T00:00:00Z"}]
    assert found["replicas"] == {"ready": 2, "wanted": 2}
    assert found["deployment"]["commit"] == commit
    assert found["deployment"]["source"] == SOURCE
    assert found["argocd"]["sync"] == "Synced"
    assert [one["restarts"] for one in found["pods"]] == [3, 0]


async def test_tag_that_somebody_edited_since_is_not_taken_for_the_deploys(
    cluster: Cluster, work: Path
) -> None:
    deploy(work)
    (work / TARGET.values).write_text('image:\n  tag: "by-hand"\n')
    publish(work, "hotfix")
    text = (await look(cluster, settings(work))).text()
    assert "the values file names by-hand: it was edited since" in text


async def test_repository_that_cannot_be_read_hides_nothing_of_the_cluster(cluster: Cluster) -> None:
    text = (await look(cluster, AccessDeniedError("git.test denies git fetch"))).text()
    assert "deployed    unknown: git.test denies git fetch" in text
    assert "2 of 2 pods ready" in text


async def test_holds_that_cannot_be_read_hide_nothing_of_any_service(cluster: Cluster, work: Path) -> None:
    (work / f"{TARGET.values}.hold").write_text("held, said somebody\n")
    commit = deploy(work)
    found = await look(cluster, settings(work))
    text = found.text()
    assert f"GitOps commit {commit}" in text
    assert f"held        unknown: {TARGET.values}.hold in the GitOps repository is there and no list" in text
    assert "2 of 2 pods ready" in text
    assert set(found.document["holds"]) == {"error"}


async def test_application_that_cannot_be_read_hides_nothing_of_the_pods(
    cluster: Cluster, work: Path
) -> None:
    path = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/api"
    cluster.objects[path] = NotFoundError("Argo CD has no Application api")
    found = await look(cluster, settings(work))
    assert "Argo CD     unknown: Argo CD has no Application api" in found.text()
    assert "2 of 2 pods ready" in found.text()
    assert found.document["argocd"] == {"error": "Argo CD has no Application api"}


async def test_service_that_was_never_deployed_runs_nothing(cluster: Cluster, work: Path) -> None:
    del cluster.objects["/apis/apps/v1/namespaces/mosuon/deployments/api"]
    found = await look(cluster, settings(work))
    assert found.text().startswith("runs        nothing\ndeployed    by no commit that Slipway made")
    assert "Deployment/api does not exist in namespace mosuon" in found.text()
    assert found.document["replicas"] is None
