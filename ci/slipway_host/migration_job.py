"""The Kubernetes Job that migrates a service's database, as an object: what it asks for and how it ended."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from slipway_host import pods
from slipway_host.creation import MANAGED

if TYPE_CHECKING:
    from slipway_host.kube_http import Json
    from slipway_host.settings import MigrationSettings, Target

CONTAINER = "migration"
NAME_LIMIT = 63
"""Characters: Kubernetes writes a Job's name into a label of its pods."""
KEPT_S = 24 * 3600
"""Seconds after which Kubernetes removes a Job that has ended; until then a second deploy skips it."""

FAILED, ENDING, DONE, RUNNING = "failed", "ending", "done", "running"


def name_of(target: Target, migration: MigrationSettings, digest: str) -> str:
    """Return the Job's name: the same for the same work, another one for any other."""
    work = [target.app, _image(target, migration, digest), *migration.command, str(migration.run_as_user)]
    mark = hashlib.sha256(json.dumps([*work, target.secrets.name]).encode()).hexdigest()[:8]
    end = f"-migrate-{target.tag}-{mark}"
    return f"{target.app[: NAME_LIMIT - len(end)].rstrip('-')}{end}"


def job(target: Target, migration: MigrationSettings, digest: str) -> Json:
    """Return the Job to create: tried once, never as root, and with nothing but the Secret given."""
    # Not app.kubernetes.io/instance: by that, Argo CD would take it for its own, and prune it.
    labels = {
        **MANAGED,
        "app.kubernetes.io/part-of": target.app,
        "app.kubernetes.io/component": CONTAINER,
    }
    settings = target.secrets
    has_secret = bool(target.database or settings.generate or settings.given)
    user = {} if migration.run_as_user is None else {"runAsUser": migration.run_as_user}
    container = {
        "name": CONTAINER,
        "image": _image(target, migration, digest),
        "command": list(migration.command),
        "envFrom": [{"secretRef": {"name": settings.name, "optional": not has_secret}}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": [{"name": settings.pull_secret}],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **user},
        "containers": [container],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_of(target, migration, digest),
            "namespace": target.namespace,
            "labels": labels,
        },
        "spec": {
            # A migration that failed half way is a matter for people.
            "backoffLimit": 0,
            "activeDeadlineSeconds": migration.timeout_s,
            "ttlSecondsAfterFinished": KEPT_S,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _image(target: Target, migration: MigrationSettings, digest: str) -> str:
    return migration.image or f"{target.repository}@{digest}"


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


def exit_code(pod: Json) -> int | None:
    """Return how the container ended, None where it has not or where that is not known."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        ended = status.get("state", {}).get("terminated")
        if ended:
            return int(ended.get("exitCode", 0))
    return None


def started(pod: Json) -> bool:
    """Say whether the container runs or has run."""
    states = [status.get("state", {}) for status in pod.get("status", {}).get("containerStatuses", [])]
    return any("running" in state or "terminated" in state for state in states)
