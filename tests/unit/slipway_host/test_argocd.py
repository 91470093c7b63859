"""Argo CD's Application: what it says, what is asked of it, and how it answers."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import pytest

from slipway_host import argocd, waiting
from slipway_host.application import GROUP, REFRESH, Application, Holds
from slipway_host.argocd import sync
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    NotFoundError,
    ServiceUnavailableError,
    TerminalError,
    UnknownOutcomeError,
)
from slipway_host.progress import silent
from slipway_host.results import Status
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


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_S", 0.005)


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
        cast("KubeClient", kube),
        TARGET,
        commit=OURS,
        contains=contains,
        run_id=RUN,
        report=lines.append if lines is not None else silent,
        **{"deadline_s": 10, **options},
    )


async def test_a_synced_application_is_left_alone() -> None:  # R12
    kube = ArgoCD(application(OURS))
    result = await run(kube)
    assert result.status is Status.SKIPPED
    assert result.outputs == {"application": "api", "revision": OURS, "requested": False}
    assert kube.patches == []


async def test_a_descendant_of_our_commit_is_as_good() -> None:
    kube = ArgoCD(application(LATER))
    result = await run(kube)
    assert result.outputs["revision"] == LATER
    assert kube.patches == []


async def test_an_old_synced_state_is_not_taken_for_ours() -> None:  # fault 79
    kube = ArgoCD(application(BEFORE), takes_up, ends(), nothing, compares())
    result = await run(kube)
    assert result.status is Status.SUCCEEDED
    assert result.outputs == {"application": "api", "revision": OURS, "requested": True}
    assert len(kube.operations) == 1


async def test_the_operation_respects_the_applications_own_policy() -> None:  # R12
    kube = ArgoCD(application(BEFORE), takes_up, ends(), compares())
    await run(kube)
    assert kube.patches[0]["metadata"]["annotations"] == {REFRESH: "normal"}
    assert kube.patches[0]["metadata"]["resourceVersion"] == "1"
    assert kube.patches[0]["status"] == {"operationState": None}
    operation = kube.operations[0]
    assert operation["initiatedBy"] == {"username": "slipway"}
    assert operation["info"][0] == {"name": "Reason", "value": f"slipway run {RUN}"}
    assert operation["sync"] == {
        "revision": OURS,
        "prune": True,
        "syncOptions": ["CreateNamespace=true", "ServerSideApply=true"],
        "syncStrategy": {"hook": {}},
    }


def test_an_application_without_a_policy_is_not_pruned() -> None:
    body = application()
    del body["spec"]["syncPolicy"]
    patch = argocd.operation(Application(body), revision=OURS, request="r", run_id=RUN)
    assert patch["operation"]["sync"] == {
        "revision": OURS,
        "prune": False,
        "syncStrategy": {"hook": {}},
    }


def test_an_application_with_several_sources_keeps_their_targets() -> None:
    body = application()
    body["spec"]["sources"] = [body["spec"].pop("source"), {"repoURL": "https://charts.test"}]
    body["status"]["sync"] = {"status": "Synced", "revisions": [OURS, "1.2.3"]}
    app = Application(body)
    patch = argocd.operation(app, revision=OURS, request="r", run_id=RUN)
    assert app.revisions == (OURS, "1.2.3")
    assert "revision" not in patch["operation"]["sync"]


async def test_a_drifted_descendant_is_synced_as_it_is() -> None:
    # Our commit alone would undo the deploys after it.
    kube = ArgoCD(application(LATER, "OutOfSync"), takes_up, ends(revision=LATER), compares(LATER))
    await run(kube)
    assert kube.operations[0]["sync"]["revision"] == LATER


async def test_a_foreign_operation_is_waited_for_and_named() -> None:  # fault 80
    body = application(BEFORE)
    body["operation"] = {"initiatedBy": {"username": "mallory"}}
    kube = ArgoCD(body, nothing, nothing, ends(revision=BEFORE), takes_up, ends(), compares())
    lines: list[str] = []
    result = await run(kube, lines)
    assert result.status is Status.SUCCEEDED
    assert lines[0] == "waiting for the sync of mallory"
    assert [op["initiatedBy"]["username"] for op in kube.operations] == ["slipway"]
    assert "operation" not in kube.patches[0]  # the refresh alone


async def test_an_automated_sync_of_our_commit_needs_no_second_one() -> None:
    body = application(BEFORE)
    body["operation"] = {"initiatedBy": {"automated": True}}
    kube = ArgoCD(body, nothing, ends(), nothing, compares())
    result = await run(kube)
    assert result.outputs["requested"] is False
    assert kube.operations == []


async def test_an_operation_that_never_ends_is_named_with_the_way_to_end_it() -> None:  # fault 81
    body = application(BEFORE)
    body["operation"] = {"initiatedBy": {"username": "mallory"}}
    with pytest.raises(DeadlineError, match="mallory") as caught:
        await run(ArgoCD(body, nothing, takes_up), deadline_s=0.2)
    assert caught.value.next_command == "dagger call sync --service=api --terminate, which ends it"


async def test_a_foreign_operation_is_ended_where_that_is_asked_for() -> None:  # fault 81
    def terminated(body: Json) -> None:
        assert body["status"]["operationState"]["phase"] == "Terminating"
        body.pop("operation")
        body["status"]["operationState"]["phase"] = "Failed"

    body = application(BEFORE)
    body["operation"] = {"initiatedBy": {"username": "mallory"}}
    lines: list[str] = []
    kube = ArgoCD(body, takes_up, terminated, nothing, takes_up, ends(), compares())

    result = await run(kube, lines, terminate=True)

    assert result.status is Status.SUCCEEDED
    assert "ending the sync of mallory, as asked" in lines
    assert len(kube.operations) == 1


async def test_an_orphaned_running_phase_does_not_block() -> None:
    # Nobody ever finishes a phase Running without its operation.
    body = application(BEFORE, operationState={"phase": "Running", "operation": {}})
    kube = ArgoCD(body, takes_up, ends(), compares())
    assert (await run(kube)).status is Status.SUCCEEDED


async def test_a_lost_race_for_the_operation_is_read_again() -> None:
    kube = ArgoCD(application(BEFORE), takes_up, ends(), compares())
    kube.errors = [ConflictError("the Application has moved")]
    assert (await run(kube)).status is Status.SUCCEEDED
    assert len(kube.operations) == 1


async def test_a_dropped_connection_does_not_request_twice() -> None:
    kube = ArgoCD(application(BEFORE), nothing, takes_up, ends(), compares())
    kube.errors = [UnknownOutcomeError("the connection dropped")]
    assert (await run(kube)).status is Status.SUCCEEDED
    assert len(kube.operations) == 1


async def test_an_operation_that_was_replaced_before_its_start_is_requested_again() -> None:
    def replaced(body: Json) -> None:
        body["operation"] = {"initiatedBy": {"username": "mallory"}}

    kube = ArgoCD(application(BEFORE), replaced, ends(revision=BEFORE), takes_up, ends(), compares())
    assert (await run(kube)).status is Status.SUCCEEDED
    assert len(kube.operations) == 2


async def test_a_failed_sync_tells_message_and_resources() -> None:
    resources = [
        {"kind": "Service", "name": "api", "status": "Synced", "message": "service/api configured"},
        {"kind": "Ingress", "name": "api", "status": "SyncFailed", "message": "webhook\x1b[31m no"},
        {"kind": "Job", "name": "migrate", "hookPhase": "Failed", "message": "Job has failed"},
    ]
    kube = ArgoCD(application(BEFORE), takes_up, ends("Failed", result={"resources": resources}))
    with pytest.raises(TerminalError) as caught:
        await run(kube)
    assert "it Failed; Ingress/api: webhook [31m no; Job/migrate: Job has failed" in (caught.value.cause)
    assert "configured" not in caught.value.cause
    assert caught.value.next_command == "kubectl -n argocd get application api -o yaml"


async def test_a_failure_from_before_our_run_is_not_ours() -> None:
    body = application(BEFORE, "OutOfSync", operationState=ended("Failed", BEFORE))
    kube = ArgoCD(body, takes_up, ends(), compares())
    assert (await run(kube)).status is Status.SUCCEEDED


async def test_a_failed_hook_after_a_sync_of_our_commit_is_run_again() -> None:
    # PostSync: the manifests are Synced, the operation failed all the same.
    body = application(OURS, operationState=ended("Failed", OURS))
    kube = ArgoCD(body, takes_up, ends(), compares())
    result = await run(kube)
    assert result.status is Status.SUCCEEDED
    assert len(kube.operations) == 1


async def test_conditions_are_part_of_the_failure() -> None:  # fault 82
    def broken(body: Json) -> None:
        body["status"]["conditions"] = [
            {"type": "ComparisonError", "message": "helm template failed: line 3"},
            {"type": "SharedResourceWarning", "message": "shared"},
        ]
        ends("Error")(body)

    with pytest.raises(TerminalError, match="ComparisonError: helm template failed") as caught:
        await run(ArgoCD(application(BEFORE), takes_up, broken))
    assert "shared" not in caught.value.cause


async def test_a_sync_window_that_denies_is_said_at_once() -> None:  # fault 83
    def denied(body: Json) -> None:
        takes_up(body)
        body["status"]["operationState"]["message"] = "Sync operation blocked by sync window"

    with anyio.fail_after(5), pytest.raises(TerminalError, match="denies") as caught:
        await run(ArgoCD(application(BEFORE), denied))
    assert caught.value.next_command == "kubectl -n argocd get appproject default -o yaml"


async def test_a_controller_that_never_looks_is_said_to_be_down() -> None:  # fault 84
    with anyio.fail_after(5), pytest.raises(DeadlineError) as caught:
        await run(ArgoCD(application(BEFORE)), silent_after_s=0.1)
    assert "application controller does not answer" in caught.value.cause
    assert "2026-01-01T00:00:00Z" in caught.value.cause


async def test_the_deadline_tells_what_stayed_out_of_sync() -> None:
    def drifts(body: Json) -> None:
        compares(OURS, "OutOfSync")(body)
        body["status"]["resources"] = [
            {"kind": "ConfigMap", "name": "old", "status": "OutOfSync"},
            {"kind": "Service", "name": "api", "status": "Synced"},
        ]

    kube = ArgoCD(application(BEFORE), takes_up, ends(), drifts)
    with pytest.raises(DeadlineError) as caught:
        await run(kube, deadline_s=0.4)
    assert "OutOfSync at cccccccc, Healthy, last operation Succeeded" in caught.value.cause
    assert "OutOfSync: ConfigMap/old" in caught.value.cause
    assert len(kube.operations) == 1  # asking again would change nothing


async def test_a_missing_application_and_a_missing_argo_cd_read_differently() -> None:  # fault 78
    kube = ArgoCD(None)
    with pytest.raises(NotFoundError, match="no Application api in namespace argocd"):
        await run(kube)
    kube.kinds = ["rollouts"]  # Argo Rollouts has the same API group
    with pytest.raises(NotFoundError, match="Argo CD is not installed"):
        await run(kube)
    kube.kinds = []
    with pytest.raises(NotFoundError, match="Argo CD is not installed"):
        await run(kube)
    kube.always = AccessDeniedError("may not get applications")
    with pytest.raises(AccessDeniedError):
        await run(kube)


async def test_git_is_asked_once_for_each_revision() -> None:
    asked: list[str] = []

    async def ask(revision: str) -> bool:
        asked.append(revision)
        if len(asked) == 1:
            raise ServiceUnavailableError("the git server restarts")
        return False

    holds = Holds(OURS, ask)
    for _ in range(3):
        assert await holds.one_of((BEFORE,), silent) == ""
    assert await holds.one_of((BEFORE, OURS), silent) == OURS
    assert asked == [BEFORE, BEFORE]
