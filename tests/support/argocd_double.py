"""Argo CD for unit tests: an Application that answers to its operation as it is told."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel

from slipway_host.application import GROUP
from slipway_host.applications import KubernetesApplications
from slipway_host.argocd import sync
from slipway_host.errors import (
    ConflictError,
    UnknownOutcomeError,
)
from slipway_host.progress import silent
from support.target import api_target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult

Json = dict[str, Any]
TARGET = api_target(commit="a" * 40)
BEFORE, OURS, LATER = "0" * 40, "c" * 40, "d" * 40
PATH = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/api"
RUN = "run-17"


def application(revision: str = BEFORE, status: str = "Synced", **more: Any) -> Json:
    return {
        "metadata": {
            "name": "api",
            "namespace": "argocd",
            "resourceVersion": "1",
            "annotations": {},
        },
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://git.test/gitops", "targetRevision": "main"},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["CreateNamespace=true", "ServerSideApply=true"],
            },
        },
        "status": {
            "sync": {"status": status, "revision": revision},
            "health": {"status": "Healthy"},
            "reconciledAt": "2026-01-01T00:00:00Z",
            **more,
        },
    }


def ended(phase: str, revision: str, **more: Any) -> Json:
    return {
        "phase": phase,
        "message": f"it {phase}",
        "operation": {"initiatedBy": {"automated": True}},
        "finishedAt": "2026-01-01T00:00:05Z",
        "syncResult": {"revision": revision},
        **more,
    }


async def contains(revision: str) -> bool:
    await anyio.lowlevel.checkpoint()
    return revision in {OURS, LATER}


class ArgoCD:
    """Keeps one Application; each look lets its controller do the next step of a script."""

    def __init__(self, body: Json | None, *steps: Callable[[Json], None]) -> None:
        self.body = body
        self.steps = list(steps)
        self.patches: list[Json] = []
        self.errors: list[Exception] = []
        self.kinds = ["applications", "appprojects"]
        self.always: Exception | None = None

    async def find(self, path: str) -> Json | None:
        if self.always:
            raise self.always
        if path == GROUP:
            return {"resources": [{"name": kind} for kind in self.kinds]} if self.kinds else None
        assert path == PATH
        if self.steps and self.body and (self.patches or self.body.get("operation")):
            self.steps.pop(0)(self.body)
            self.touch()
        return copy.deepcopy(self.body)

    def touch(self) -> None:
        assert self.body
        version = int(self.body["metadata"]["resourceVersion"])
        self.body["metadata"]["resourceVersion"] = str(version + 1)

    async def patch(self, path: str, body: Json, *, kind: str = "merge") -> Json:
        assert (path, kind) == (PATH, "merge")
        assert self.body
        error = self.errors.pop(0) if self.errors else None
        if error and not isinstance(error, UnknownOutcomeError):
            raise error
        version = body["metadata"].get("resourceVersion")
        if version not in {None, self.body["metadata"]["resourceVersion"]}:
            raise ConflictError("the Application has moved")
        self.patches.append(copy.deepcopy(body))
        self.body["metadata"]["annotations"].update(body["metadata"].get("annotations", {}))
        if "operation" in body:
            self.body["operation"] = copy.deepcopy(body["operation"])
            self.body["status"].pop("operationState", None)
        elif "status" in body:
            self.body["status"]["operationState"] |= body["status"]["operationState"]
        self.touch()
        if error:
            raise error
        return self.body

    async def watch(
        self, path: str, *, selector: str = "", fields: str = ""
    ) -> AsyncIterator[tuple[str, Json]]:
        assert (path, selector) == (PATH.rpartition("/")[0], "")
        assert fields == "metadata.name=api"
        while True:
            yield "MODIFIED", {}
            await anyio.sleep(0.01)

    @property
    def operations(self) -> list[Json]:
        return [patch["operation"] for patch in self.patches if "operation" in patch]


def nothing(_body: Json) -> None:
    """The controller is busy elsewhere."""


def takes_up(body: Json) -> None:
    body["status"]["operationState"] = {"phase": "Running", "operation": body["operation"]}
    body["metadata"]["annotations"].clear()
    body["status"]["reconciledAt"] = "2026-01-01T00:00:03Z"


def ends(phase: str = "Succeeded", revision: str = OURS, **more: Any) -> Callable[[Json], None]:
    def step(body: Json) -> None:
        operation = body.pop("operation")
        result = {"revision": revision, **more.pop("result", {})}
        state = ended(phase, revision, operation=operation, **more)
        body["status"]["operationState"] = state | {"syncResult": result}

    return step


def compares(revision: str = OURS, status: str = "Synced") -> Callable[[Json], None]:
    def step(body: Json) -> None:
        body["status"]["sync"] = {"status": status, "revision": revision}
        body["status"]["reconciledAt"] = "2026-01-01T00:00:09Z"
        body["metadata"]["annotations"].clear()

    return step


async def run(kube: ArgoCD, lines: list[str] | None = None, **options: Any) -> StageResult:
    return await sync(
        KubernetesApplications(cast("KubeClient", kube)),
        TARGET,
        commit=OURS,
        contains=contains,
        run_id=RUN,
        report=lines.append if lines is not None else silent,
        **{"deadline_s": 10, **options},
    )
