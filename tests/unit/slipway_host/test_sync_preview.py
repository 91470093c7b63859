"""What Argo CD would do with a commit, told before it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio.lowlevel
import pytest

from slipway_host import sync_preview
from slipway_host.application import Application
from slipway_host.applications import KubernetesApplications
from slipway_host.errors import AccessDeniedError, TerminalError
from slipway_host.progress import silent
from support.kube import FakeKube
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.plan import SyncPlan


HEAD = "a" * 40


def application(**more: Any) -> Application:
    body: dict[str, Any] = {
        "metadata": {"name": "api", "namespace": "argocd", "resourceVersion": "7"},
        "spec": {
            "source": {
                "repoURL": "https://amy:canary@git.test/acme/gitops.git",
                "targetRevision": "main",
                "path": "charts/app",
                "helm": {"valueFiles": ["../v.yaml"], "parameters": [{"name": "key", "value": "canary"}]},
            },
            "destination": {"server": "https://k", "namespace": "mosuon"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
        "status": {"sync": {"status": "Synced", "revision": HEAD}, "health": {"status": "Healthy"}},
    }
    body["spec"] |= more.pop("spec", {})
    body["status"] |= more.pop("status", {})
    return Application({**body, **more})


class Cluster(FakeKube):
    """A cluster with one Deployment, whose pods nobody asks about."""

    def __init__(self) -> None:
        super().__init__()
        container = {"image": "registry.test:5000/acme/api:old"}
        self.put(
            "/apis/apps/v1/namespaces/mosuon/deployments/api",
            {
                "metadata": {"uid": "u"},
                "spec": {
                    "replicas": 3,
                    "selector": {"matchLabels": {"app": "api"}},
                    "strategy": {
                        "type": "RollingUpdate",
                        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
                    },
                    "template": {"spec": {"containers": [container]}},
                },
            },
        )

    async def list(self, path: str, *, selector: str) -> list[dict[str, Any]]:
        await anyio.lowlevel.checkpoint()
        assert selector == "app=api"
        assert path
        return []


async def synced(
    app: Application, kube: FakeKube | None = None, *, commits: bool = True
) -> tuple[SyncPlan, dict[str, str]]:
    async def contains(revision: str) -> bool:
        await anyio.lowlevel.checkpoint()
        return revision == HEAD

    cluster = cast("KubeClient", kube or Cluster())
    return await sync_preview.preview(
        cluster,
        KubernetesApplications(cluster),
        api_target(),
        app,
        head=HEAD,
        commits=commits,
        contains=contains,
        report=silent,
    )


async def test_a_sync_is_told_with_the_pods_that_it_replaces() -> None:
    plan, facts = await synced(application())
    assert plan.acts
    assert (plan.image, plan.pods) == ("old", 3)
    assert plan.strategy == "RollingUpdate maxSurge 1 maxUnavailable 0"
    assert plan.policy == "automated sync, prune, self-heal"
    assert plan.windows == ()
    assert "canary" not in str(facts)
    assert facts["Deployment/api"] == "old, RollingUpdate maxSurge 1 maxUnavailable 0"
    assert "https://git.test/acme/gitops.git@main:charts/app ../v.yaml parameter key" in str(facts)


async def test_what_differs_and_what_is_pruned_is_told() -> None:
    resources = [
        {"kind": "Service", "name": "old", "status": "OutOfSync", "requiresPruning": True},
        {"kind": "Deployment", "name": "api", "status": "OutOfSync"},
        {"kind": "Service", "name": "api", "status": "Synced"},
    ]
    app = application(status={"sync": {"status": "OutOfSync", "revision": HEAD}, "resources": resources})
    plan, facts = await synced(app, commits=False)
    assert (plan.drift, plan.pruned, plan.prune, plan.acts) == (
        ("Deployment/api",),
        ("Service/old",),
        True,
        True,
    )
    assert facts["out of sync in api"] == "Deployment/api, Service/old (to be pruned)"


async def test_nothing_to_apply_is_nothing_even_where_argo_cd_compares_once_more() -> None:
    plan, _ = await synced(application(), commits=False)
    assert not plan.acts
    older = application(status={"sync": {"status": "Synced", "revision": "b" * 40}})
    plan, facts = await synced(older, commits=False)
    assert not plan.acts
    assert plan.line.endswith(f"asked to compare with {HEAD[:8]}")
    assert facts == (await synced(application(), commits=False))[1]


async def test_somebody_elses_sync_is_told_and_no_fact() -> None:
    running = application(operation={"initiatedBy": {"username": "mallory"}})
    plan, facts = await synced(running)
    assert plan.line == "waiting for the sync of mallory"
    assert facts == (await synced(application()))[1]


async def test_a_sync_window_that_holds_one_back_stops_the_plan() -> None:
    state = {"phase": "Running", "message": "Cannot sync: blocked by sync window"}
    held = application(operation={"sync": {}}, status={"operationState": state})
    with pytest.raises(TerminalError, match="a sync window of the project denies"):
        await synced(held)


async def test_windows_are_told_where_the_account_may_see_them() -> None:
    project = "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/default"
    window = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "applications": ["*"]}
    kube = Cluster()
    kube.put(project, {"spec": {"syncWindows": [window]}})
    plan, facts = await synced(application(), kube)
    assert plan.windows == ("deny 0 22 * * * (UTC) for 8h",)
    assert "deny 0 22" in facts["sync windows of api"]
    blind = Cluster()
    blind.before["find"] = [lambda: None, AccessDeniedError("no")]
    assert (await synced(application(), blind))[0].windows is None
