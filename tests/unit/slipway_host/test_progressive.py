"""R24: what is told of a Rollout in each state that Argo Rollouts had one in."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, cast

import pytest

from slipway_host import pods, progressive, promotion, rollout, troubles, undo
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    SettingsError,
    TerminalError,
)
from slipway_host.overview import Overview
from slipway_host.progress import silent
from slipway_host.rights import rights
from slipway_host.sync_preview import _strategy
from slipway_host.workload import Workload, read_workload, revision_number
from support.rollout_documents import DIGEST, DOCUMENTS, target, workload
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.settings import PostgresSettings

PROMOTE = "dagger call promote --service=api"


def said(state: str) -> rollout.Progress:
    return rollout.progress(workload(state), target(state), DIGEST)


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (
            "canary-by-hand",
            (
                "Rollout/n2: step 2 of 4 (pause), paused by its step until it is promoted, "
                f"1 of 2 new pods, 1 old: {PROMOTE}"
            ),
        ),
        (
            "canary-spec-paused",
            (
                "Rollout/n2: step 2 of 4 (pause), paused by hand (spec.paused), "
                f"1 of 2 new pods, 1 old: {PROMOTE}"
            ),
        ),
        (
            "canary-timed",
            (
                "Rollout/n2: step 4 of 4 (pause: 4s), paused by its step until 06:22:43 UTC, "
                "2 of 2 new pods, 1 old"
            ),
        ),
        (
            "analysis-running",
            (
                "Rollout/n3: step 2 of 2 (analysis), analysis n3-84fc6464dc-2-1 is Running, "
                "1 of 1 new pods, 1 old"
            ),
        ),
        (
            "analysis-inconclusive",
            "Rollout/n4: step 2 of 3 (analysis), paused, since an analysis is inconclusive until it is "
            "promoted, analysis n4-5b5f7467d6-2-1 is Inconclusive, 1 of 1 new pods, 1 old: " + PROMOTE,
        ),
        (
            "blue-green-paused",
            (
                "Rollout/n1: paused before the new pods get the traffic until it is promoted, "
                f"1 of 1 new pods, 1 old: {PROMOTE}"
            ),
        ),
        ("analysis-failed", "Rollout/n3: aborted"),
    ],
)
def test_a_rollout_on_its_way_is_not_complete(state: str, line: str) -> None:
    found = said(state)
    assert (found.complete, found.line) == (False, line)
    assert found.next_command == (PROMOTE if PROMOTE in line else "")
    assert found.paused == ("paused" in line)


@pytest.mark.parametrize("state", ["canary-promoted", "blue-green-promoted"])
def test_a_rollout_is_complete_once_the_new_version_is_the_stable_one(state: str) -> None:
    assert said(state).complete
    assert "fully promoted, all " in said(state).line


def without(state: str, change: Any) -> Workload:
    found = copy.deepcopy(DOCUMENTS[state])
    change(found)
    return Workload(body=found["rollout"], replica_sets=tuple(found["replica_sets"]), pods=())


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["rollout"]["status"].update(phase="Progressing"),
        lambda one: one["rollout"]["status"].update(stableRS="6f76766cd6"),
        lambda one: one["rollout"]["status"].update(observedGeneration="4"),
        lambda one: one["rollout"]["status"].update(updatedReplicas=1),
        lambda one: [each["status"].update(availableReplicas=1) for each in one["replica_sets"]],
    ],
)
def test_each_part_of_the_controllers_word_is_needed(change: Any) -> None:
    found = without("canary-promoted", change)
    assert not rollout.progress(found, target("canary-promoted"), DIGEST).complete


def test_pods_kept_for_a_way_back_do_not_serve() -> None:
    found = workload("blue-green-promoted")
    assert len(found.pods) == 3
    newest = max(found.replica_sets, key=revision_number)
    serving = [pods.name(pod) for pod in found.serving]
    assert len(serving) == 1
    assert serving[0].startswith(newest["metadata"]["name"])


def test_only_pods_of_the_newest_version_may_fail_the_rollout() -> None:
    found = workload("canary-by-hand")
    new = troubles.new_pods(found, target("canary-by-hand"), DIGEST)
    labels = {pod["metadata"]["labels"]["rollouts-pod-template-hash"] for pod in new}
    assert labels == {found.body["status"]["currentPodHash"]}


def test_an_abort_is_certain_and_names_the_ways_on() -> None:
    trouble = troubles.gave_up(workload("analysis-failed"), target("analysis-failed"))
    assert trouble
    assert trouble.certain
    assert trouble.cause == (
        "Rollout/n3 was aborted, and its stable version serves on: RolloutAborted: Rollout aborted update to "
        'revision 2: Step-based analysis phase error/failed: Metric "rate" assessed Failed due to failed (2)'
        " > failureLimit (1)"
    )
    assert trouble.next_command == (
        "dagger call rollback --service=api; or, once the cause is gone, "
        "kubectl argo rollouts -n n3 retry rollout n3"
    )


def test_an_abort_of_the_version_before_is_none_of_ours() -> None:
    found = without("analysis-failed", lambda one: one["rollout"]["metadata"].update(generation=4))
    assert troubles.gave_up(found, target("analysis-failed")) is None
    found = without("analysis-failed", lambda one: one["rollout"]["status"].pop("abort"))
    assert troubles.gave_up(found, target("analysis-failed")) is None


def test_what_the_controller_cannot_use_is_no_more_than_a_trouble_that_may_pass() -> None:
    trouble = troubles.gave_up(workload("invalid"), target("invalid"))
    assert trouble
    assert not trouble.certain
    assert "AnalysisTemplate 'nope' not found" in trouble.cause


class Runs:
    """A cluster that has a state's AnalysisRuns, or lets nobody see them."""

    def __init__(self, found: list[Any] | Exception) -> None:
        self.found = found

    async def list(self, path: str, *, selector: str) -> list[Any]:
        assert path == "/apis/argoproj.io/v1alpha1/namespaces/n3/analysisruns"
        assert selector == "rollouts-pod-template-hash=84fc6464dc"
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


async def explained(found: list[Any] | Exception) -> str:
    where, body = target("analysis-failed"), workload("analysis-failed")
    trouble = troubles.gave_up(body, where)
    assert trouble
    return await troubles.explained(cast("KubeClient", Runs(found)), where, trouble, body)


async def test_an_abort_is_told_with_what_the_analysis_measured() -> None:
    told = await explained(DOCUMENTS["analysis-failed"]["analysisruns"])
    assert told.endswith("; AnalysisRun n3-84fc6464dc-2-1 Failed: metric rate Failed: value 0.42")


async def test_analyses_that_may_not_be_read_hide_no_abort() -> None:
    told = await explained(AccessDeniedError("list analysisruns: forbidden"))
    assert told.endswith("; its analyses cannot be read: list analysisruns: forbidden")
    assert "was aborted" in told


@pytest.mark.parametrize(
    ("duration", "lasts"), [(30, 30), ("30", 30), ("30s", 30), ("1.5m", 90), ("2h", 7200)]
)
def test_durations(duration: str | int, lasts: float) -> None:
    assert progressive.seconds(duration) == lasts
    body = {"spec": {"strategy": {"canary": {"steps": [{"pause": {"duration": duration}}, {"pause": {}}]}}}}
    assert progressive.pauses_s(body) == lasts


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("canary-by-hand", rf"step 2 of 4 \(pause\), paused by its step until it is promoted, .*: {PROMOTE}"),
        ("analysis-failed", "Rollout/n3 was aborted, and its stable version serves on: .*"),
        ("canary-promoted", ""),
    ],
)
def test_the_status_has_a_line_of_its_own_on_the_way(state: str, line: str) -> None:
    nothing = NotFoundError("no Application")
    found = Overview(target=target(state), app=nothing, workload=workload(state), deployment=None)
    assert re.fullmatch(line, found.step)
    assert found.document["rollout"] == (found.step or None)
    assert found.step in found.text()


def test_a_plan_shows_the_steps() -> None:
    body = DOCUMENTS["canary-timed"]["rollout"]
    assert _strategy(body) == "canary, then setWeight: 50, then pause, then setWeight: 80, then pause: 4s"
    assert _strategy(DOCUMENTS["blue-green-paused"]["rollout"]) == "blue-green"


async def test_a_rollout_without_pods_of_its_own_is_refused() -> None:
    class Referring:
        async def find(self, path: str) -> Any:
            assert path == "/apis/argoproj.io/v1alpha1/namespaces/mosuon/rollouts/api"
            return {"spec": {"workloadRef": {"kind": "Deployment", "name": "api"}}}

    with pytest.raises(TerminalError, match=r"takes its pods from Deployment/api \(spec.workloadRef\)"):
        await read_workload(cast("KubeClient", Referring()), api_target(workload_kind="Rollout"))


async def test_undo_is_refused_and_steps_are_only_for_rollouts() -> None:
    nobody = cast("Any", None)
    deadline: Any = {"report": silent, "deadline_s": 1}
    with pytest.raises(ConflictError, match="has no emergency undo") as caught:
        await undo.undo(
            nobody, nobody, api_target(workload_kind="Rollout"), number=0, by="", since="", **deadline
        )
    assert caught.value.next_command.startswith("dagger call abort --service=api; else dagger call rollback")
    with pytest.raises(SettingsError, match=r"Deployment/api has no steps: promote is for a Rollout"):
        await promotion.promote(nobody, api_target(), full=False, **deadline)
    with pytest.raises(SettingsError, match=r"Deployment/api has no steps: abort is for a Rollout"):
        await promotion.abort(nobody, api_target(), **deadline)


def test_a_rollout_needs_rights_of_its_own_and_no_other_workload_has_them(postgres: PostgresSettings) -> None:
    def asked(kind: str) -> set[str]:
        return {str(one) for one in rights(api_target(workload_kind=kind), postgres)}

    verbs = ("get", "list", "watch", "patch")
    own = {
        *(f"{verb} rollouts.argoproj.io api in namespace mosuon" for verb in verbs),
        "patch rollouts/status.argoproj.io api in namespace mosuon",
        "list analysisruns.argoproj.io in namespace mosuon",
    }
    deployments = {f"{verb} deployments.apps api in namespace mosuon" for verb in verbs}
    assert asked("Rollout") - asked("Deployment") == own
    assert asked("Deployment") - asked("Rollout") == deployments
    assert not {one for one in asked("StatefulSet") if "argoproj.io" in one} - asked("Deployment")


def test_a_pause_is_no_trouble() -> None:
    for state in ("canary-by-hand", "canary-spec-paused", "blue-green-paused", "analysis-inconclusive"):
        assert troubles.troubles(workload(state), target(state), DIGEST) == []
