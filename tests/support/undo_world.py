"""An Application in a repository of its own, whose workload is undone and put back."""

import json
from dataclasses import dataclass
from typing import Any

import anyio

from slipway_host import undo
from slipway_host.applications import Applications, KubernetesApplications
from slipway_host.kube import KubeClient
from slipway_host.progress import silent
from slipway_host.results import StageResult
from slipway_host.settings import SecretsSettings, Target
from slipway_lab import gitserver
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import GIT, Layout
from support import argocd_objects
from support.target import api_target

LONGER_THAN_SELF_HEAL_S = 12
WHEN = "2026-11-24T05:15:00Z"
WAIT_S = 90


def manifest(kind: str, namespace: str, version: int) -> dict[str, Any]:
    container = {
        "name": "api",
        "image": "docker.io/library/postgres:17",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"],
        "env": [{"name": "VERSION", "value": str(version)}],
    }
    labels = {"app": "api"}
    more: dict[str, dict[str, Any]] = {
        "Deployment": {"replicas": 1},
        "StatefulSet": {"replicas": 1, "serviceName": "api"},
        "DaemonSet": {},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "api", "namespace": namespace},
        "spec": {
            **more[kind],
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    }


@dataclass(frozen=True)
class World:
    """An Application of the test's own, from a repository of its own."""

    layout: Layout
    name: str
    kind: str

    @property
    def workload(self) -> str:
        return f"{self.kind.lower()}s"

    @property
    def repository(self) -> str:
        return f"mosuon/{self.name}-undo"

    @property
    def url(self) -> str:
        return f"{GIT}/{self.repository}.git"

    @property
    def target(self) -> Target:
        return api_target(
            app=self.name,
            environment="dev",
            commit="c" * 40,
            repository="docker.io/library/postgres",
            namespace=self.name,
            values="x",
            workload_kind=self.kind,
            health_path="/",
            health_port=80,
            secrets=SecretsSettings(name="s"),
        )

    def application(self, name: str, path: str, namespace: str) -> dict[str, Any]:
        options = ("CreateNamespace=true",)
        return argocd_objects.application(name, self.url, path, namespace=namespace, options=options)

    def publish(self, version: int) -> None:
        source = self.layout.run / f"{self.name}-undo"
        for path, body in (
            ("app/workload.json", manifest(self.kind, self.name, version)),
            ("root/api.json", self.application(self.name, "app", self.name)),
        ):
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(json.dumps(body))
        gitserver.publish(self.layout, self.repository, source, message=f"version {version}")

    def apply(self, body: dict[str, Any]) -> None:
        kubectl(self.layout, "apply", "-f", "-", stdin=json.dumps(body))

    def refresh(self) -> None:
        mark = "argocd.argoproj.io/refresh=normal"
        kubectl(self.layout, "-n", "argocd", "annotate", "application", self.name, mark, "--overwrite")

    async def app(self, kube: KubeClient) -> dict[str, Any]:
        path = f"/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/{self.name}"
        return await kube.find(path) or {}

    async def version(self, kube: KubeClient) -> str:
        found = await kube.find(f"/apis/apps/v1/namespaces/{self.name}/{self.workload}/api")
        if found is None:
            return ""
        return str(found["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"])

    async def becomes(self, kube: KubeClient, version: int) -> None:
        with anyio.fail_after(WAIT_S):
            while await self.version(kube) != str(version):  # noqa: ASYNC110 - the cluster sends no event
                await anyio.sleep(0.5)

    async def two_versions(self, kube: KubeClient) -> None:
        status = ("-n", self.name, "rollout", "status", f"{self.kind}/api", "--timeout=90s")
        await self.becomes(kube, 1)
        kubectl(self.layout, *status)
        self.publish(2)
        self.refresh()
        await self.becomes(kube, 2)
        kubectl(self.layout, *status)

    async def undo(
        self, kube: KubeClient, number: int = 0, *, applications: Applications | None = None
    ) -> StageResult:
        return await undo.undo(
            kube,
            applications or KubernetesApplications(kube),
            self.target,
            number=number,
            by="ann",
            since=WHEN,
            report=silent,
            deadline_s=WAIT_S,
        )

    async def resume(self, kube: KubeClient, *, applications: Applications | None = None) -> StageResult:
        applications = applications or KubernetesApplications(kube)
        return await undo.resume(applications, self.target, report=silent, deadline_s=WAIT_S)

    async def stays(self, kube: KubeClient, version: int) -> None:
        for _ in range(LONGER_THAN_SELF_HEAL_S):
            assert await self.version(kube) == str(version)
            await anyio.sleep(1)
