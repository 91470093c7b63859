"""Rollouts of Argo Rollouts on the lab: each a world of its own, with a second version to lead them to."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio

from slipway_host import pods
from slipway_host.applications import KubernetesApplications
from slipway_host.delivery import Delivery
from slipway_host.workload import workload_path
from slipway_lab import gitserver
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import MIRROR
from support.worlds import PORT, SERVER, World, Worlds, deployment

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult
    from slipway_host.settings import Target
    from slipway_lab.layout import Layout

Json = dict[str, Any]
NEXT = "5e6f7a8b"
"""Tag of the second version."""
NAME = "{{ .Release.Name }}"
CRASH = f"import os, sys\nif os.environ['VERSION'] == '{NEXT}': sys.exit('no table users')\n"
LABELS = {"app": NAME}


def rollout(strategy: Json, *, replicas: int = 1, before: str = "") -> Json:
    """Return a Rollout's manifest; `before` is Python that its pods run before they serve."""
    env = [{"name": "VERSION", "value": "{{ .Values.image.tag }}"}]
    # Without the protocol, which the API server fills in, Argo CD finds it OutOfSync under server-side apply.
    ports = [{"containerPort": PORT, "protocol": "TCP"}]
    body = deployment(before + SERVER, env=env, ports=ports)
    spec = {**body["spec"], "replicas": replicas, "strategy": strategy}
    return {**body, "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": spec}


def service(suffix: str = "") -> Json:
    """Return a Service in front of the pods; a strategy may narrow it to one version."""
    ports = [{"port": 80, "targetPort": PORT}]
    metadata = {"name": f"{NAME}{suffix}"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": LABELS, "ports": ports},
    }


def canary(*steps: Json, **more: Any) -> Json:
    """Return a canary's strategy: the first step makes one new pod beside the old ones."""
    return {"canary": {"steps": [{"setWeight": 50}, *steps], **more}}


def blue_green(**more: Any) -> Json:
    """Return a blue-green strategy; without more, it switches by itself."""
    return {"blueGreen": {"activeService": NAME, "previewService": f"{NAME}-preview", **more}}


def template(name: str, metric: Json) -> Json:
    """Return an AnalysisTemplate with one metric of that name."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name},
        "spec": {"metrics": [{"name": name, **metric}]},
    }


def job(name: str, command: str) -> Json:
    """Return an analysis that is a Job: it has passed if the command ends well."""
    container = {
        "name": "check",
        "image": "docker.io/library/python:3.13-slim",
        "command": ["sh", "-c", command],
    }
    pod = {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 0}
    return template(name, {"provider": {"job": {"spec": {"backoffLimit": 0, "template": {"spec": pod}}}}})


def web(name: str, *, condition: str) -> Json:
    """Return an analysis of one value of an HTTP answer, which is `library/python`."""
    asked = {
        "url": f"https://{MIRROR}/v2/library/python/tags/list",
        "insecure": True,
        "jsonPath": "{$.name}",
    }
    return template(name, {"provider": {"web": asked}, "successCondition": condition})


def analysis(name: str) -> Json:
    """Return the step that runs an analysis."""
    return {"analysis": {"templates": [{"templateName": name}]}}


def world(strategy: Json, *more: Json, **options: Any) -> World:
    """Return a world with one Rollout and what belongs to it."""
    objects = (rollout(strategy, **options), service(), *more)
    how = _by_client if "blueGreen" in strategy else _by_server
    return World(link="", says="", fix="", objects=objects, settings=of_rollout, application=how)


def _by_server(app: Json) -> None:
    # As the scaffold's Applications have it.
    app["spec"]["syncPolicy"]["syncOptions"] = ["ServerSideApply=true"]


def _by_client(_: Json) -> None:
    """A sync by the server would take away what Argo Rollouts adds to the selectors of its Services."""


def of_rollout(target: Target) -> Target:
    return replace(target, workload_kind="Rollout")


@dataclass
class Rollouts:
    """The worlds of a file at their first version, or on the way to the second."""

    layout: Layout
    worlds: Worlds
    kube: KubeClient

    def target(self, name: str, *, tag: str = NEXT) -> Target:
        return replace(self.worlds.case(name, self.kube).target, image_tag=tag)

    def publish(self, tag: str, *names: str) -> None:
        """Have the values files of worlds ask for a tag, by one commit."""
        for name in names:
            self.worlds.worlds[name] = replace(self.worlds.worlds[name], tag=tag)
        self.worlds.publish()

    def delivery(self, name: str, lines: list[str], *, tag: str = NEXT, rollout_s: float = 60) -> Delivery:
        return Delivery(
            target=replace(self.target(name, tag=tag), rollout_s=rollout_s),
            kube=self.kube,
            applications=KubernetesApplications(self.kube),
            run_id="run-1",
            report=lines.append,
        )

    async def arrive(
        self, name: str, lines: list[str], *, tag: str = NEXT, rollout_s: float = 60
    ) -> StageResult:
        """Do what a deploy does from its sync to its proof, and return the proof."""
        delivery = self.delivery(name, lines, tag=tag, rollout_s=rollout_s)
        settings, commit = self.worlds.case(name, self.kube).git, self.head
        await delivery.sync(settings, commit)
        digest = self.worlds.images.digest(tag)
        await delivery.rollout(digest)
        await delivery.health(digest, frozenset())
        return await delivery.proof(settings, commit=commit, digest=digest, manifests=frozenset())

    async def pauses(self, name: str, lines: list[str], *, kube: KubeClient | None = None) -> None:
        """Deploy until the Rollout pauses, and for two seconds more: the deadline falls into the pause."""
        own = replace(self, kube=kube or self.kube)
        await own.delivery(name, lines).sync(self.worlds.case(name, self.kube).git, self.head)
        target = self.target(name)
        path = f"{workload_path(target)}/{target.workload_name}"
        with anyio.fail_after(60):
            while not (await self.kube.get(path)).get("status", {}).get("pauseConditions"):  # noqa: ASYNC110
                await anyio.sleep(0.2)
        await own.arrive(name, lines, rollout_s=2)

    @property
    def head(self) -> str:
        return gitserver.head_of(self.layout, self.worlds.repository)

    def ready(self, name: str) -> dict[str, str]:
        """Return the ready pods of a world, each with its image tag."""
        listed = self._get(name, "pods", "--selector=rollouts-pod-template-hash")
        return {
            pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"].rpartition(":")[2]
            for pod in listed
            if pods.ready(pod)
        }

    def answers(self, name: str) -> bool:
        """Say whether a pod answers behind the world's Service."""
        space = self.worlds.name(name)
        path = f"/api/v1/namespaces/{space}/services/{space}:80/proxy/health"
        return kubectl(self.layout, "get", "--raw", path) == ""

    def started(self, name: str) -> dt.datetime:
        """Return when the newest pod's container was started first."""
        events = self._get(name, "events", "--field-selector=reason=Started,involvedObject.kind=Pod")
        newest = max(events, key=lambda event: str(event["firstTimestamp"]))
        return dt.datetime.fromisoformat(newest["firstTimestamp"])

    def _get(self, name: str, *words: str) -> list[Json]:
        said = kubectl(self.layout, "-n", self.worlds.name(name), "get", *words, "-o", "json")
        return list(json.loads(said)["items"])
