"""Argo CD's Application: what is said of one that does not apply our commit."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from slipway_host import waiting
from slipway_host.application import Holds
from slipway_host.errors import (
    AccessDeniedError,
    DeadlineError,
    NotFoundError,
    ServiceUnavailableError,
    TerminalError,
)
from slipway_host.progress import silent
from slipway_host.results import Status
from support.argocd_double import (
    BEFORE,
    OURS,
    ArgoCD,
    Json,
    application,
    compares,
    ended,
    ends,
    run,
    takes_up,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_S", 0.005)


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
