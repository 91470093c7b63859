"""Argo CD's Application: what is asked of it, and when."""

from __future__ import annotations

import pytest

from slipway_host import sync_decision, waiting
from slipway_host.application import REFRESH, Application
from slipway_host.errors import (
    ConflictError,
    DeadlineError,
    UnknownOutcomeError,
)
from slipway_host.results import Status
from support.argocd_double import (
    BEFORE,
    LATER,
    OURS,
    RUN,
    ArgoCD,
    Json,
    application,
    compares,
    ends,
    nothing,
    run,
    takes_up,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_S", 0.005)


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


async def test_a_run_that_committed_nothing_applies_nothing_where_others_commits_are_about_others() -> None:
    kube = ArgoCD(application(BEFORE), nothing, compares(LATER))
    lines: list[str] = []
    result = await run(kube, lines, unchanged=True)
    assert result.status is Status.SKIPPED
    assert result.outputs == {"application": "api", "revision": LATER, "requested": False}
    assert lines[0].startswith("asking Argo CD to compare with the newest commit")
    assert kube.patches == [{"metadata": {"annotations": {REFRESH: "normal"}}}]


async def test_a_run_that_committed_nothing_applies_what_others_have_changed_of_it() -> None:
    kube = ArgoCD(
        application(BEFORE), compares(LATER, "OutOfSync"), takes_up, ends(revision=LATER), compares(LATER)
    )
    result = await run(kube, unchanged=True)
    assert result.status is Status.SUCCEEDED
    assert [operation["sync"]["revision"] for operation in kube.operations] == [LATER]


async def test_a_run_that_committed_nothing_says_so_where_argo_cd_has_applied_something_meanwhile() -> None:
    def automated(body: Json) -> None:
        body["operation"] = {"initiatedBy": {"automated": True}}
        takes_up(body)
        body["status"]["operationState"]["startedAt"] = "2026-01-01T00:00:02Z"

    done = ends(revision=LATER, startedAt="2026-01-01T00:00:02Z")
    kube = ArgoCD(application(BEFORE), automated, done, compares(LATER))
    result = await run(kube, unchanged=True)
    assert (result.status, kube.operations) == (Status.SUCCEEDED, [])


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
    wanted = sync_decision.operation(Application(body), revision=OURS, request="r", run_id=RUN)
    assert wanted["sync"] == {
        "revision": OURS,
        "prune": False,
        "syncStrategy": {"hook": {}},
    }


def test_an_application_with_several_sources_keeps_their_targets() -> None:
    body = application()
    body["spec"]["sources"] = [body["spec"].pop("source"), {"repoURL": "https://charts.test"}]
    body["status"]["sync"] = {"status": "Synced", "revisions": [OURS, "1.2.3"]}
    app = Application(body)
    wanted = sync_decision.operation(app, revision=OURS, request="r", run_id=RUN)
    assert app.revisions == (OURS, "1.2.3")
    assert "revision" not in wanted["sync"]


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
    assert "WARNING: ending the sync of mallory, as asked" in lines
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
