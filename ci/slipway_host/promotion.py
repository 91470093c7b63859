"""A person's word to a Rollout: go on from a pause, skip what is left, or give the new version up (R24)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, progressive, waiting
from slipway_host.caller import command
from slipway_host.errors import ConflictError, DeadlineError, SettingsError
from slipway_host.results import StageResult, Status
from slipway_host.workload import HASH, ROLLOUT, existing_workload, watched_workload, workload_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target
    from slipway_host.waiting import Changes
    from slipway_host.workload import Workload

INCONCLUSIVE = "Inconclusive"


async def promote(
    kube: KubeClient, target: Target, *, full: bool, report: Report, deadline_s: float
) -> StageResult:
    """Lead a paused Rollout on, and return once its controller has taken it up.

    The pause that was seen is what ends: if the Rollout has moved since, nothing is changed.

    Args:
        kube: the cluster.
        target: the service.
        full: skip every step, pause and analysis that is left, and wait for the end.
        report: takes one line for people, live.
        deadline_s: seconds until the controller has to have acted.

    Raises:
        SettingsError: the service's workload is no Rollout.
        NotFoundError: it does not exist.
        ConflictError: it was aborted, or somebody changes it at the same time.
        DeadlineError: the controller did not act in time.
    """
    what = _what(target, "promote")
    found = await existing_workload(kube, target, report)
    step = progressive.step(found)
    if progressive.gave_up(found, target):
        raise ConflictError(
            f"{what} was aborted: there is no pause to end",
            next_command=progressive.retry(target),
        )
    if not step.line or not (step.paused or full):
        state = step.line or "the new version is fully promoted already"
        return StageResult(stage="promote", status=Status.SKIPPED, summary=f"{what}: {state}; nothing to end")
    left = "every step, pause and analysis that is left is skipped" if full else "this pause ends"
    report(f"{what}: {step.line}; {left}")
    await _change(kube, target, found, _going_on(found.body, full=full), report)

    def gone_on(now: Workload) -> bool:
        if full:
            return now.observed and not progressive.step(now).line
        return now.observed and _taken_up(now.body) and _place(now.body) != _place(found.body)

    now = await _until(kube, target, gone_on, what=what, report=report, deadline_s=deadline_s)
    line = progressive.step(now).line or "the new version is fully promoted"
    return StageResult(stage="promote", status=Status.SUCCEEDED, summary=f"{what}: {line}")


async def abort(kube: KubeClient, target: Target, *, report: Report, deadline_s: float) -> StageResult:
    """Give a new version up that is on its way, and return once the stable one has all the traffic.

    Raises:
        SettingsError: the service's workload is no Rollout.
        NotFoundError: it does not exist.
        ConflictError: somebody changes it at the same time.
        DeadlineError: the stable version was not complete in time.
    """
    what = _what(target, "abort")
    found = await existing_workload(kube, target, report)
    rollback = command("rollback", f"--service={target.service}")
    if not progressive.step(found).line:
        return StageResult(
            stage="abort",
            status=Status.SKIPPED,
            summary=f"{what} is on its way to nothing: its one version is fully promoted; back from it leads "
            f"{rollback}",
        )
    done = bool(found.body.get("status", {}).get("abort"))
    if not done:
        report(f"{what}: the new version is given up, and the stable one gets all traffic")
        await _change(kube, target, found, [("/status", {"status": {"abort": True}})], report)
    now = await _until(kube, target, _stable, what=what, report=report, deadline_s=deadline_s)
    return StageResult(
        stage="abort",
        status=Status.SKIPPED if done else Status.SUCCEEDED,
        summary=f"{what}: {len(_stable_pods(now))} pods of the stable version serve; the branch still names "
        f"what was given up, and {rollback} mends that",
    )


def _what(target: Target, function: str) -> str:
    what = f"{target.workload_kind}/{target.workload_name}"
    if target.workload_kind != ROLLOUT:
        raise SettingsError(
            f"{what} has no steps: {function} is for a Rollout of Argo Rollouts "
            f"(services.{target.service}.workload.kind)",
            next_command=command("status", f"--service={target.service}"),
        )
    return what


def _place(body: Json) -> tuple[object, ...]:
    """Return what tells one pause from the next."""
    status = body.get("status", {})
    return body["spec"].get("paused"), status.get("pauseConditions"), status.get("currentStepIndex")


def _taken_up(body: Json) -> bool:
    """Whether the controller has acted on the end of a pause: until then, it notes that it pauses."""
    status = body.get("status", {})
    return bool(status.get("pauseConditions") or not status.get("controllerPause"))


def _going_on(body: Json, *, full: bool) -> list[tuple[str, Json]]:
    """Return the patches, with the subresource of each: what `kubectl argo rollouts promote` writes."""
    status = body.get("status", {})
    found: list[tuple[str, Json]] = []
    # First: while that is set, the controller would only pause by its step once more.
    if body["spec"].get("paused"):
        found.append(("", {"spec": {"paused": False}}))
    if full:
        found.append(("/status", {"status": {"promoteFull": True}}))
    elif status.get("pauseConditions"):
        change: Json = {"pauseConditions": None}
        run = status.get("canary", {}).get("currentStepAnalysisRunStatus") or {}
        if run.get("status") == INCONCLUSIVE and "currentStepIndex" in status:
            # Otherwise the controller would pause again at once, for the very same analysis.
            change |= {"controllerPause": False, "currentStepIndex": status["currentStepIndex"] + 1}
        found.append(("/status", {"status": change}))
    return found


async def _change(
    kube: KubeClient, target: Target, found: Workload, patches: list[tuple[str, Json]], report: Report
) -> None:
    path = f"{workload_path(target)}/{target.workload_name}"
    # Only the first tells whether it is still the pause that was seen: the controller acts on it at once.
    guard: Json = {"metadata": {"resourceVersion": found.body["metadata"]["resourceVersion"]}}
    for subresource, body in patches:
        await waiting.patiently(partial(kube.patch, f"{path}{subresource}", {**body, **guard}), report)
        guard = {}


def _stable_pods(workload: Workload) -> list[Json]:
    stable = workload.body.get("status", {}).get("stableRS")
    labelled = [pod for pod in workload.pods if pod["metadata"].get("labels", {}).get(HASH) == stable]
    return [pod for pod in labelled if pods.ready(pod)]


def _stable(workload: Workload) -> bool:
    aborted = workload.body.get("status", {}).get("abort") and workload.observed
    return bool(aborted) and len(_stable_pods(workload)) >= workload.count.wanted


async def _until(
    kube: KubeClient,
    target: Target,
    reached: Callable[[Workload], bool],
    *,
    what: str,
    report: Report,
    deadline_s: float,
) -> Workload:
    found = await existing_workload(kube, target, report)
    line = ""

    async def loop(changes: Changes) -> None:
        nonlocal found, line
        while not reached(found):
            said = progressive.step(found).line
            if said != line:
                line = said
                report(f"{what}: {said}")
            await changes.wait(1)
            found = await existing_workload(kube, target, report)

    with anyio.move_on_after(deadline_s) as scope:
        await waiting.watching(waiting.in_cluster(kube, watched_workload(target, found)), loop, report)
    if scope.cancelled_caught:
        raise DeadlineError(
            f"{what} has not got there after {deadline_s:g} s: {line}",
            next_command=command("status", f"--service={target.service}"),
        )
    return found
