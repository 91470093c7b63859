"""A cluster for unit tests: a workload with its pods, in one state after the other."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio
from pydantic import SecretStr

from slipway_host import workload
from slipway_host.progress import silent
from slipway_host.rollout import wait_rollout
from slipway_host.settings import SecretsSettings
from support.target import api_target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult

Json = dict[str, Any]
DIGEST = "sha256:" + "a" * 64
TARGET = api_target(
    secrets=SecretsSettings(name="api-secrets", given={"JWT_SECRET": SecretStr("canary-jwt-value")})
)
STATEFUL = replace(TARGET, workload_kind="StatefulSet")
NEW, OLD = f"{TARGET.repository}:{TARGET.tag}", f"{TARGET.repository}:99999999"


def template(image: str) -> Json:
    return {"spec": {"containers": [{"name": "app", "image": image}]}}


def deployment(image: str = NEW, **status: Any) -> Json:
    complete = {
        "observedGeneration": 4,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
    }
    return {
        "metadata": {"name": "api", "namespace": "mosuon", "uid": "d", "generation": 4},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "api"}},
            "template": template(image),
        },
        "status": {**complete, **status},
    }


def replica_set(uid: str, image: str, revision: int, **status: Any) -> Json:
    return {
        "metadata": {
            "name": f"api-{uid}",
            "namespace": "mosuon",
            "uid": uid,
            "ownerReferences": [{"kind": "Deployment", "uid": "d"}],
            "annotations": {workload.REVISIONS[0]: str(revision)},
        },
        "spec": {"template": template(image)},
        "status": status,
    }


def pod(name: str, owner: str, image: str, state: Json, *, ready: bool = False, **more: Any) -> Json:
    return {
        "metadata": {
            "name": name,
            "namespace": "mosuon",
            "uid": name,
            "ownerReferences": [{"kind": "ReplicaSet", "uid": owner}],
            "labels": {"app": "api", "controller-revision-hash": owner},
        },
        **template(image),
        "status": {
            "phase": "Running" if "running" in state else "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {"name": "app", "image": image, "ready": ready, "restartCount": 0, "state": state} | more
            ],
        },
    }


RUNNING: Json = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
CREATING: Json = {"waiting": {"reason": "ContainerCreating"}}
BACKOFF: Json = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
CRASHED: Json = {"lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}, "restartCount": 1}
PULL: Json = {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}
PULL_BACKOFF: Json = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
WAITING: Json = {"updatedReplicas": 1, "replicas": 3, "unavailableReplicas": 1}


def world(body: Json | None, sets: list[Json] | None = None, found: list[Json] | None = None) -> Json:
    return {"body": body, "replicasets": sets or [], "pods": found or []}


class Cluster:
    """Shows one world after the other, a new one at each look; the last one stays."""

    def __init__(self, *worlds: Json | Exception, log: str | Exception = "") -> None:
        self.worlds = list(worlds)
        self.now: Json = {}
        self.log = log
        self.selectors: set[str] = set()
        self.logs: list[tuple[str, str, bool]] = []
        self.events: list[Json] = []
        self.pull_secret: Json | None = {"metadata": {}}
        self.secret: Json | None = None

    async def find(self, path: str) -> Json | None:
        if path.endswith("/secrets/registry-credentials"):
            return self.pull_secret
        if path.endswith("/secrets/api-secrets"):
            return self.secret
        assert path.endswith("s/api")
        found = self.worlds.pop(0) if len(self.worlds) > 1 else self.worlds[0]
        if isinstance(found, Exception):
            raise found
        self.now = found
        return copy.deepcopy(cast("Json | None", found["body"]))

    async def list(self, path: str, *, selector: str = "", fields: str = "") -> list[Json]:
        if path.endswith("/events"):
            assert fields.startswith("involvedObject.name=")
            wanted = fields.partition(",reason=")[2]
            return [event for event in self.events if wanted in {"", event["reason"]}]
        assert not fields
        self.selectors.add(selector)
        return copy.deepcopy(cast("list[Json]", self.now[path.rpartition("/")[2]]))

    async def watch(
        self, path: str, *, selector: str = "", fields: str = ""
    ) -> AsyncIterator[tuple[str, Json]]:
        assert path
        assert selector or fields or self.now["body"] is None
        while True:
            yield "MODIFIED", {}
            await anyio.sleep(0.01)

    async def pod_log(
        self,
        namespace: str,
        name: str,
        container: str,
        *,
        previous: bool = False,
        limit_bytes: int = 4096,
    ) -> str:
        assert namespace == "mosuon"
        assert limit_bytes
        self.logs.append((name, container, previous))
        if isinstance(self.log, Exception):
            raise self.log
        return self.log


async def run(cluster: Cluster, lines: list[str] | None = None, **options: Any) -> StageResult:
    return await wait_rollout(
        cast("KubeClient", cluster),
        options.pop("target", TARGET),
        digest=DIGEST,
        report=lines.append if lines is not None else silent,
        **{"deadline_s": 20, **options},
    )


NEW_SET, OLD_SET = replica_set("new", NEW, 2), replica_set("old", OLD, 1)
DONE = world(
    deployment(),
    [OLD_SET, NEW_SET],
    [pod("n1", "new", NEW, RUNNING, ready=True), pod("n2", "new", NEW, RUNNING, ready=True)],
)


def stage(*found: Json, **status: Any) -> Json:
    return world(deployment(**{**WAITING, **status}), [OLD_SET, NEW_SET], list(found))
