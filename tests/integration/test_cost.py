"""R27 on the lab's cluster: a Deployment with two containers and an autoscaler, before and after."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from slipway_host import cost
from slipway_host.kube import KubeClient
from slipway_host.pricing import Prices
from slipway_host.results import StageResult, Status
from slipway_lab.kubernetes import apply, kubectl
from slipway_lab.layout import Layout
from support.host_side import host_side
from support.target import api_target

PRICES: dict[str, Any] = {"cpuCoreHour": 0.02, "memoryGibHour": 0.01, "currency": "EUR"}


def container(name: str, cpu: str, memory: str, limits: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "image": "docker.io/library/postgres:17",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"],
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": limits or {}},
    }


def deployment(namespace: str, cpu: str) -> dict[str, Any]:
    labels = {"app": "api"}
    init = container("migrate", "5m", "8Mi") | {"command": ["true"]}
    spec = {
        "terminationGracePeriodSeconds": 0,
        "initContainers": [init],
        "containers": [
            container("api", cpu, "64Mi", {"cpu": "500m", "memory": "128Mi"}),
            container("proxy", "10m", "16Mi"),
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def autoscaler(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "api", "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"},
            "minReplicas": 2,
            "maxReplicas": 4,
        },
    }


async def test_two_containers_and_an_autoscaler_before_and_after_a_rollout(
    layout: Layout, namespace: str, kube: KubeClient, tmp_path: Path
) -> None:
    kubectl(layout, "create", "namespace", namespace)
    apply(layout, deployment(namespace, "10m"), autoscaler(namespace))
    await revision(kube, namespace, 1)
    apply(layout, deployment(namespace, "30m"))
    await revision(kube, namespace, 2)

    here = host_side(layout, tmp_path, namespace, {}, cost={"prices": PRICES})
    done = here.run("cost", "--as-json")
    assert done.returncode == 0, done.stderr
    (api,) = json.loads(done.stdout)["services"]
    assert api["replicas"] == {"now": 2, "least": 2, "most": 4, "autoscaler": "api"}
    assert [(one["name"], one["kind"]) for one in api["pod"]["containers"]] == [
        ("migrate", "init"),
        ("api", "app"),
        ("proxy", "app"),
    ]
    assert api["pod"]["requests"] == {"cpu": 0.04, "memory": 80 * 2**20}
    one = (0.04 * 0.02 + 80 / 1024 * 0.01) * 730
    assert api["perMonth"]["requests"] == {
        "now": pytest.approx(2 * one, abs=0.001),
        "least": pytest.approx(2 * one, abs=0.001),
        "most": pytest.approx(4 * one, abs=0.001),
    }
    assert api["perMonth"]["limits"] == {"now": None, "least": None, "most": None}
    rollout = api["lastRollout"]
    assert (rollout["before"]["requests"]["cpu"], rollout["after"]["requests"]["cpu"]) == (0.02, 0.04)
    assert rollout["morePerMonth"] == pytest.approx(2 * 0.02 * 0.02 * 730, abs=0.001)
    assert 0 < api["shareOfNodes"]["cpu"] < 1
    assert api["unknown"] == []

    text = here.run("cost")
    assert "2 pods, autoscaler api scales them from 2 to 4" in text.stdout
    assert "last rollout: revision 1 to 2, a pod's cpu 20m → 40m: +0.58 EUR a month for 2 pods" in text.stdout
    assert "EXAMPLE" not in text.stdout

    target = api_target(namespace=namespace, prices=Prices(**PRICES))
    result = StageResult(stage="rollout", status=Status.SUCCEEDED, summary="all 2 pods are updated")
    noted = await cost.noted(kube, target, result)
    assert noted.summary.endswith("; a pod's cpu 20m → 40m: +0.58 EUR a month for 2 pods")


async def revision(kube: KubeClient, namespace: str, number: int) -> None:
    """Wait until a revision has its pods."""
    path = f"/apis/apps/v1/namespaces/{namespace}"
    with anyio.fail_after(60):
        while True:
            found = await kube.get(f"{path}/deployments/api")
            status = found.get("status", {})
            seen = (found["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
            if seen == str(number) and status.get("updatedReplicas") == 2:
                return
            await anyio.sleep(0.5)
