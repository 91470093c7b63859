"""PostgreSQL in the cluster, as its users know it: pod `postgresql-0` in namespace `infra`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from slipway_lab import credentials, kubernetes
from slipway_lab.errors import LabError
from slipway_lab.sandbox import POLL_S

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout

NAMESPACE = "infra"
NAME = "postgresql"
DEADLINE_S = 120
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}


def _stateful_set(data: Path) -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": "docker.io/library/postgres:17",
        # A lab may lose its last second in a power cut.
        "args": ["postgres", "-c", "fsync=off", "-c", "max_connections=300"],
        "env": [
            {
                "name": "POSTGRES_PASSWORD",
                "valueFrom": {"secretKeyRef": {"name": NAME, "key": "postgres-password"}},
            },
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
        ],
        "ports": [{"containerPort": 5432}],
        "readinessProbe": {
            "exec": {"command": ["pg_isready", "-h", "127.0.0.1", "-U", "postgres"]},
            "periodSeconds": 1,
        },
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {
            "serviceName": NAME,
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {
                    "containers": [container],
                    "terminationGracePeriodSeconds": 5,
                    "volumes": [{"name": "data", "hostPath": {"path": str(data)}}],
                },
            },
        },
    }


def start(layout: Layout) -> None:
    """Create the server's objects and wait until its pod is ready."""
    data = layout.state / "postgres"
    data.mkdir(exist_ok=True)
    password = credentials.read(layout, "postgres")
    kubernetes.apply(
        layout,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
            "stringData": {"postgres-password": password},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
            "spec": {"selector": LABELS, "ports": [{"port": 5432}]},
        },
        _stateful_set(data),
    )
    until = time.monotonic() + DEADLINE_S
    while not _answers(layout):
        if time.monotonic() > until:
            pods = kubernetes.kubectl(layout, "-n", NAMESPACE, "get", "pods", "-o", "wide")
            raise LabError(f"PostgreSQL does not answer after {DEADLINE_S} s:\n{pods}")
        time.sleep(POLL_S)


def _answers(layout: Layout) -> bool:
    """Ask the server itself: after a restart, the pod's status is that of the last run for a while."""
    ask = ("exec", f"{NAME}-0", "--", "pg_isready", "--quiet", "--host=127.0.0.1")
    wait = ("wait", f"pod/{NAME}-0", "--for=condition=Ready", "--timeout=5s")
    try:
        kubernetes.kubectl(layout, "-n", NAMESPACE, *ask, timeout_s=10)
        kubernetes.kubectl(layout, "-n", NAMESPACE, *wait)
    except LabError:
        return False
    return True
