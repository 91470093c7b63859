"""The emergency: a workload back to its earlier pods at once, past Git, with Argo CD held off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, revisions, suspension, waiting
from slipway_host.caller import command
from slipway_host.errors import ConflictError, DeadlineError, RolloutFailedError, quote
from slipway_host.restart import FATAL_AFTER_S, progress
from slipway_host.results import StageResult, Status
from slipway_host.suspension import Suspension
from slipway_host.workload import ROLLOUT, existing_workload, watched_workload, workload_path

if TYPE_CHECKING:
    from slipway_host.applications import Applications
    from slipway_host.kube import KubeClient
    from slipway_host.progress import Report
    from slipway_host.revisions import Revision
    from slipway_host.settings import Target
    from slipway_host.waiting import Changes
    from slipway_host.workload import Workload

TRIES = 3
"""How often the workload is patched: an Argo CD operation that had begun before may write once more."""


async def undo(
    kube: KubeClient,
    applications: Applications,
    target: Target,
    *,
    number: int,
    by: str,
    since: str,
    report: Report,
    deadline_s: float,
) -> StageResult:
    """Suspend Argo CD's automated sync, return the workload to an earlier revision, and wait until it runs.

    Run again without a number it goes to the revision that the Application remembers, and so no further
    back; after `resume`, it is a new undo.

    Args:
        kube: the cluster.
        applications: Argo CD's.
        target: the service.
        number: revision as in `kubectl rollout history`; 0 for the one before now.
        by: who.
        since: time in UTC.
        report: takes one line for people, live.
        deadline_s: seconds for each of the two waits.

    Raises:
        NotFoundError: no such workload or revision.
        ConflictError: an ApplicationSet manages the Application, somebody else writes the workload, or it is
            a Rollout.
        RolloutFailedError: the pods of that revision cannot become ready, either.
        DeadlineError: time ran out.
    """
    what = f"{target.workload_kind}/{target.workload_name}"
    if target.workload_kind == ROLLOUT:
        # To its controller, an earlier template is a new version: it would walk through every step with it.
        raise ConflictError(
            f"{what} has no emergency undo: an earlier version would be led through all of its steps; while "
            "a new version is on its way, abort returns all traffic to the stable one at once",
            next_command=f"{command('abort', f'--service={target.service}')}; "
            f"else {command('rollback', f'--service={target.service}')}",
        )
    app = await waiting.patiently(lambda: applications.read(target), report)
    before = suspension.read(app)
    await suspension.manager(applications, app)
    workload = await existing_workload(kube, target, report)
    found = await revisions.read(kube, target, workload)
    name = before.goal if before else ""
    goal = revisions.pick(found, number=number, name=name, what=what)
    acted = before is None or before.goal != goal.name or not revisions.asked_for(workload, goal)
    wanted = Suspension(automated=None, skip=None, by=by, since=since, goal=goal.name)
    parent = await suspension.suspend(applications, target, wanted, report=report, deadline_s=deadline_s)
    report(f"WARNING: Argo CD does not sync {target.app} any more until: {resume_command(target)}")
    await _return(kube, target, goal, what=what, report=report, deadline_s=deadline_s)
    how = f"; by its marks {parent} manages it, so Argo CD skips it altogether" if parent else ""
    return StageResult(
        stage="undo",
        status=Status.SUCCEEDED if acted else Status.SKIPPED,
        summary=f"{what} runs {goal.line()}, and Git does not say so: automated sync of {target.app} is "
        f"SUSPENDED{how}; make the branch say it with {command('rollback', f'--service={target.service}')}, "
        f"which resumes, or {resume_command(target)}",
        outputs={"revision": goal.number, "name": goal.name, "images": list(goal.images), "manager": parent},
    )


def resume_command(target: Target) -> str:
    """Return the command that puts Argo CD back to work."""
    return command("resume", f"--service={target.service}")


async def resume(
    applications: Applications, target: Target, *, report: Report, deadline_s: float
) -> StageResult:
    """Give the Application back what it had before `undo`."""
    found = await suspension.resume(applications, target, report=report, deadline_s=deadline_s)
    if found is None:
        return StageResult(stage="resume", status=Status.SKIPPED, summary=f"{target.app} is not suspended")
    policy = "automated sync as it was" if found.automated is not None else "no automated sync, as it was"
    return StageResult(
        stage="resume",
        status=Status.SUCCEEDED,
        summary=f"{target.app} has {policy} ({found.line()}): Argo CD goes back to what the branch says",
        outputs={"automated": found.automated},
    )


async def _return(
    kube: KubeClient, target: Target, goal: Revision, *, what: str, report: Report, deadline_s: float
) -> None:
    path = f"{workload_path(target)}/{target.workload_name}"
    first = await existing_workload(kube, target, report)
    line, patched = "", 0
    troubled: dict[tuple[str, str], float] = {}

    async def loop(changes: Changes) -> None:
        nonlocal line, patched
        while True:
            workload = await existing_workload(kube, target, report)
            if not revisions.asked_for(workload, goal):
                if patched == TRIES:
                    raise ConflictError(
                        f"somebody else writes {what}: it was set to {goal.line()} {TRIES} times, and does "
                        "not keep it",
                        next_command=f"kubectl -n {target.namespace} get {what} --show-managed-fields=true",
                    )
                patched += 1
                report(f"{what}: to {goal.line()}")
                await waiting.patiently(lambda: kube.patch(path, goal.patch(), kind=goal.kind), report)
                continue
            said, complete = progress(workload)
            if said != line:
                line = said
                report(f"{what}: {said}")
            if complete:
                return
            _fail_early(workload, goal, troubled)
            await changes.wait(1)

    try:
        with anyio.fail_after(deadline_s):
            await waiting.watching(waiting.in_cluster(kube, watched_workload(target, first)), loop, report)
    except TimeoutError:
        raise DeadlineError(
            f"{what} does not run {goal.line()} after {deadline_s:g} s: {line}",
            next_command=command("logs", f"--service={target.service}"),
        ) from None


def _fail_early(workload: Workload, goal: Revision, since: dict[tuple[str, str], float]) -> None:
    """Raise for a pod of the goal that will not become ready by waiting."""
    now = anyio.current_time()
    for pod in workload.pods:
        if tuple(container.get("image", "") for container in pod["spec"]["containers"]) != goal.images:
            continue
        trouble = pods.trouble(pod)
        if trouble is None:
            continue
        began = since.setdefault(trouble.key, now)
        if trouble.certain or now - began >= FATAL_AFTER_S + trouble.grace_s:
            raise RolloutFailedError(quote(trouble.cause), next_command=trouble.next_command)
