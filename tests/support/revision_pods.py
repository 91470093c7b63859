"""A Deployment in the middle of a rollout on the lab: an old pod and a new one of one image, both ready."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from slipway_lab.kubernetes import apply, kubectl

if TYPE_CHECKING:
    from slipway_host.kube_http import Json
    from slipway_lab.layout import Layout

REPOSITORY, TAG = "docker.io/library/python", "3.13-slim"


def old_and_new(layout: Layout, namespace: str, server: str) -> None:
    """Make the namespace, and wait until both pods are ready.

    Args:
        layout: the lab.
        namespace: its name.
        server: Python that serves on port 4000; the variable ANSWER tells it whether it is `old` or `new`.
    """
    apply(layout, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for count, answer in enumerate(("old", "new"), 1):
        apply(layout, _deployment(namespace, server, answer))
        ready = f"jsonpath={{.status.readyReplicas}}={count}"
        kubectl(layout, "-n", namespace, "wait", "deployment/api", f"--for={ready}", "--timeout=120s")


def pods_of(layout: Layout, namespace: str, selector: str) -> list[Json]:
    """Return the pods that have these labels."""
    said = kubectl(layout, "-n", namespace, "get", "pods", "-l", selector, "-o", "json")
    found: list[Json] = json.loads(said)["items"]
    return found


def _deployment(namespace: str, server: str, answer: str) -> Json:
    """A Deployment whose first new pod has to wait for minutes before an old one goes."""
    app = {
        "name": "app",
        "image": f"{REPOSITORY}:{TAG}",
        "command": ["python3", "-uc", server],
        "env": [{"name": "ANSWER", "value": answer}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 4000}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", "namespace": namespace},
        "spec": {
            "replicas": 1,
            "minReadySeconds": 500 if answer == "new" else 0,
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": {"app": "api"}},
            "template": {
                "metadata": {"labels": {"app": "api"}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [app]},
            },
        },
    }
