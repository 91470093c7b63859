"""A Kubernetes Job that runs one command of a service once: what it asks for, and how it ended."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host import pods
from slipway_host.creation import MANAGED
from slipway_host.errors import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.kube_http import Json, Objects
    from slipway_host.settings import Target

NAME_LIMIT = 63
"""Characters: Kubernetes writes a Job's name into a label of its pods."""
KEPT_S = 24 * 3600
"""Seconds after which Kubernetes removes a Job that has ended; until then a second deploy skips it."""

FAILED, ENDING, DONE, RUNNING = "failed", "ending", "done", "running"
NOT_STARTED = frozenset({"StartError", "ContainerCannotRun"})
"""Reasons of a container that ended without having begun: what it was to run is not in its image."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a Job runs.

    Args:
        component: what it is for, as its label and its container's name.
        image: image reference.
        command: program and arguments.
        timeout_s: seconds that it may take.
        run_as_user: user id; None for the image's own user.
        environment: the container's `env` and `envFrom`.
        resources: requests and limits; None for the namespace's own.
    """

    component: str
    image: str
    command: tuple[str, ...]
    timeout_s: int
    run_as_user: int | None
    environment: dict[str, Objects]
    resources: Json | None = None


def job_name(target: Target, kind: str, work: Sequence[str]) -> str:
    """Return a Job's name: the same for the same work, another one for any other.

    Args:
        target: the service.
        kind: a word for people.
        work: all that makes it this work and no other.
    """
    mark = hashlib.sha256(json.dumps([target.app, *work]).encode()).hexdigest()[:8]
    end = f"-{kind}-{target.tag}-{mark}"
    return f"{target.app[: NAME_LIMIT - len(end)].rstrip('-')}{end}"


def labels_of(target: Target, component: str) -> dict[str, str]:
    """Return the labels of a service's Jobs and of their pods, by which no workload or Service selects."""
    # Not app.kubernetes.io/instance: by that, Argo CD would take it for its own, and prune it.
    return {
        **MANAGED,
        "app.kubernetes.io/part-of": target.app,
        "app.kubernetes.io/component": component,
    }


def manifest(target: Target, name: str, task: Task) -> Json:
    """Return the Job to create: tried once, never as root, and without a ServiceAccount's token."""
    labels = labels_of(target, task.component)
    user = {} if task.run_as_user is None else {"runAsUser": task.run_as_user}
    container = {
        "name": task.component,
        "image": task.image,
        "command": list(task.command),
        **task.environment,
        **({"resources": task.resources} if task.resources else {}),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": [{"name": target.secrets.pull_secret}],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **user},
        "containers": [container],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": target.namespace, "labels": labels},
        "spec": {
            # What failed half way is a matter for people.
            "backoffLimit": 0,
            "activeDeadlineSeconds": task.timeout_s,
            "ttlSecondsAfterFinished": KEPT_S,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def collection(target: Target) -> str:
    """Return the path of the namespace's Jobs."""
    return f"/apis/batch/v1/namespaces/{target.namespace}/jobs"


def complete(body: Json) -> bool:
    """Say whether the Job has done its work."""
    return pods.condition(body, "Complete").get("status") == "True"


def failure(body: Json) -> str:
    """Return Kubernetes' reason for a Job's failure; empty while it has not failed."""
    for kind in ("Failed", "FailureTarget"):
        found = pods.condition(body, kind)
        if found.get("status") == "True":
            return str(found.get("reason") or kind)
    return ""


def state(body: Json) -> str:
    """Return how far the Job is: failed, ending (on its way out), done or running."""
    if body["metadata"].get("deletionTimestamp"):
        return ENDING
    if failure(body):
        return FAILED
    return DONE if complete(body) else RUNNING


@dataclass(frozen=True, kw_only=True)
class End:
    """How a Job's container ended; `refusal` says why it never began, where that is how."""

    code: int
    reason: str
    refusal: str

    def __str__(self) -> str:
        if self.refusal:
            return f"could not start: {self.refusal}"
        why = f" ({self.reason})" if self.reason not in {"", "Error", "Completed"} else ""
        return f"ended with exit code {self.code}{why}"


def end(pod: Json) -> End | None:
    """Return how the container ended, None where it has not or where that is not known."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        ended = status.get("state", {}).get("terminated")
        if ended:
            reason = str(ended.get("reason", ""))
            message = quote(str(ended.get("message", ""))) or reason
            refusal = message if reason in NOT_STARTED else ""
            return End(code=int(ended.get("exitCode", 0)), reason=reason, refusal=refusal)
    return None


def termination_message(pod: Json) -> str:
    """Return what the container has left in its termination log, 4096 bytes at most; empty for nothing."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        ended = status.get("state", {}).get("terminated")
        if ended and ended.get("message"):
            return str(ended["message"])
    return ""


def started(pod: Json) -> bool:
    """Say whether the container runs or has run."""
    states = [status.get("state", {}) for status in pod.get("status", {}).get("containerStatuses", [])]
    return any("running" in state or "terminated" in state for state in states)
