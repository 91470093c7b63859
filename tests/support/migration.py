"""A cluster as a migration sees it: its Job, the service's other ones, and the turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel

from slipway_host.errors import ConflictError, DeliveryError, NotFoundError
from slipway_host.migration import migrate
from slipway_host.settings import MigrationSettings, Target
from support.target import api_target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult

Json = dict[str, Any]
DIGEST = "sha256:" + "a" * 64
MIGRATION = MigrationSettings(command=("/app/migrate",), timeout_s=600)
TARGET = api_target(migration=MIGRATION)
DONE = [{"type": "Complete", "status": "True"}]
FAILED = [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]


class Cluster:
    """One Job and its pod; `looks` holds what becomes of the Job before each of the next looks."""

    def __init__(self, job: Json | None = None) -> None:
        self.job = job
        self.others: list[list[Json]] = []
        self.turn: Json | None = None
        self.turns = 0
        self.pods: list[Json] = []
        self.looks: list[Callable[[], object]] = []
        self.creations: list[DeliveryError | None] = []
        self.created = self.deleted = 0
        self.log: list[str | DeliveryError] = []
        self.end_log = "from the end of the log"

    def became(self, conditions: list[Json], code: int = 0) -> None:
        self.pods = [pod({"terminated": {"exitCode": code}})]
        self.job = {**(self.job or {}), "status": {"conditions": conditions}}

    async def find(self, path: str) -> Json | None:
        await anyio.lowlevel.checkpoint()
        if "/secrets/" in path:
            return None
        if path.endswith("/api-migrate-turn"):
            return self.turn
        if self.looks and self.job:
            self.looks.pop(0)()
        return self.job

    async def create(self, path: str, body: Json) -> Json:
        await anyio.lowlevel.checkpoint()
        assert path == "/apis/batch/v1/namespaces/mosuon/jobs"
        if body["spec"].get("suspend"):
            return self.take_turn(body)
        assert self.turn
        error = self.creations.pop(0) if self.creations else None
        if isinstance(error, ConflictError):
            raise error
        self.created += 1
        self.job = {**body, "metadata": {**body["metadata"], "uid": f"u{self.created}"}}
        if error:
            raise error
        return self.job

    def take_turn(self, body: Json) -> Json:
        if self.turn:
            raise ConflictError("exists")
        self.turns += 1
        self.turn = {**body, "metadata": {**body["metadata"], "uid": f"turn{self.turns}"}}
        return self.turn

    async def delete(self, path: str, *, uid: str) -> None:
        await anyio.lowlevel.checkpoint()
        if self.turn and self.turn["metadata"]["uid"] == uid:
            assert path.endswith("/api-migrate-turn")
            self.turn = None
            return
        if not self.job or self.job["metadata"]["uid"] != uid:
            raise NotFoundError("it has gone")
        self.deleted += 1
        self.job = None

    async def list(self, path: str, *, selector: str) -> list[Json]:
        await anyio.lowlevel.checkpoint()
        if path.endswith("/jobs"):
            assert selector == "app.kubernetes.io/part-of=api,app.kubernetes.io/component=migration"
            return self.others.pop(0) if self.others else []
        assert selector.startswith("batch.kubernetes.io/job-name=api-migrate-0e123456-")
        owner = [{"uid": self.job["metadata"]["uid"]}] if self.job else []
        return [{**pod, "metadata": {**pod["metadata"], "ownerReferences": owner}} for pod in self.pods]

    async def watch(self, *_: str, **__: str) -> AsyncIterator[tuple[str, Json]]:
        while True:
            await anyio.sleep(0.001)
            yield "MODIFIED", {}

    async def follow_log(self, *_: str, silence_s: float) -> AsyncIterator[str]:
        assert silence_s > 1
        for line in self.log:
            await anyio.lowlevel.checkpoint()
            if isinstance(line, DeliveryError):
                raise line
            yield line

    async def pod_log(self, *_: str) -> str:
        await anyio.lowlevel.checkpoint()
        return self.end_log


def pod(state: Json) -> Json:
    return {
        "metadata": {"name": "api-0", "namespace": "mosuon"},
        "spec": {"containers": [{"name": "migration"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "migration", "state": state}]},
    }


def existing(conditions: list[Json]) -> Json:
    return {"metadata": {"name": "x", "uid": "old"}, "status": {"conditions": conditions}}


async def run(cluster: Cluster, target: Target = TARGET, lines: list[str] | None = None) -> StageResult:
    report = (lines if lines is not None else []).append
    return await migrate(cast("KubeClient", cluster), target, digest=DIGEST, report=report)
