"""New pods for a workload whose Secret has changed: pods read their environment once, when they start."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, waiting
from slipway_host.errors import DeadlineError, RolloutFailedError
from slipway_host.workload import ROLLOUT, Workload, read_workload, watched_workload, workload_path

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""What `kubectl rollout restart` writes. Argo CD leaves an annotation alone that no manifest names."""
FATAL_AFTER_S = 10.0


async def restart(kube: KubeClient, target: Target, *, at: str, report: Report, deadline_s: float) -> bool:
    """Replace a workload's pods with new ones, and return whether there were any to replace.

    Args:
        kube: the cluster.
        target: the service.
        at: time in UTC, as `2026-11-24T05:15:00Z`; pods that were restarted then or later stay.
        report: takes one line for people, live.
        deadline_s: seconds until every pod has to be new and available.

    Raises:
        RolloutFailedError: the new pods cannot become ready.
        DeadlineError: they were not all there in time.
    """
    what = f"{target.workload_kind.lower()}/{target.workload_name}"
    # kubectl knows the status of its own kinds alone.
    verb = "describe" if target.workload_kind == ROLLOUT else "rollout status"
    show = f"kubectl -n {target.namespace} {verb} {what}"
    first = await waiting.patiently(lambda: read_workload(kube, target), report)
    if first is None:
        return False
    if _restarted(first) < _time(at):
        path, body = f"{workload_path(target)}/{target.workload_name}", _asking(target, at)
        report(f"{what}: new pods")
        # The same patch twice is one change: a lost answer costs nothing.
        await waiting.patiently(lambda: kube.patch(path, body), report)
    line = ""
    troubled: dict[tuple[str, str], float] = {}

    async def loop(changes: waiting.Changes) -> None:
        nonlocal line
        while True:
            workload = await waiting.patiently(lambda: read_workload(kube, target), report)
            said, complete = progress(workload) if workload else ("gone", False)
            if said != line:
                line = said
                report(f"{what}: {said}")
            if complete:
                return
            if workload:
                _fail_early(workload, at, troubled)
            await changes.wait(1)

    try:
        with anyio.fail_after(deadline_s):
            await waiting.watching(waiting.in_cluster(kube, watched_workload(target, first)), loop, report)
    except TimeoutError:
        raise DeadlineError(
            f"{what} has not replaced its pods after {deadline_s:g} s: {line}", next_command=show
        ) from None
    return True


def _asking(target: Target, at: str) -> Json:
    """Return the patch that asks for new pods; a Rollout does not walk through its steps for them."""
    if target.workload_kind == ROLLOUT:
        return {"spec": {"restartAt": at}}
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: at}}}}}


def progress(workload: Workload) -> tuple[str, bool]:
    """Return how far a rollout is, in words, and whether every pod is new and available."""
    count = workload.count
    at = workload.body["spec"].get("restartAt")  # Rollouts only: their controller deletes pod after pod
    if at:
        alive = [pod for pod in workload.pods if pods.alive(pod)]
        new = [pod for pod in alive if _created(pod) >= _time(at)]
        ready = [pod for pod in new if pods.ready(pod)]
        # In the middle of a canary, as many as there are: it goes on with its steps afterwards.
        done = workload.body.get("status", {}).get("restartedAt") == at and len(ready) == len(alive)
        said = f"{len(new)} of {max(count.wanted, len(alive))} pods are new, {len(ready)} available"
        return said, done and len(ready) >= count.wanted
    complete = workload.observed and count.old == 0 and count.updated == count.available == count.wanted
    return f"{count.updated} of {count.wanted} pods are new, {count.available} available", complete


def _created(pod: Json) -> dt.datetime:
    return _time(str(pod["metadata"].get("creationTimestamp", "")))


def _restarted(workload: Workload) -> dt.datetime:
    if at := workload.body["spec"].get("restartAt"):
        return _time(at)
    annotations = workload.body["spec"]["template"].get("metadata", {}).get("annotations") or {}
    return _time(annotations.get(RESTARTED_AT, ""))


def _time(text: str) -> dt.datetime:
    """Return a time that somebody wrote, kubectl in a zone of its own; long ago where it is none."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = dt.datetime.min.replace(tzinfo=dt.UTC)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _fail_early(workload: Workload, at: str, since: dict[tuple[str, str], float]) -> None:
    """Raise for a new pod that will not become ready by waiting; old ones are no concern of ours."""
    now = anyio.current_time()
    by_time = "restartAt" in workload.body["spec"]
    for pod in workload.pods:
        restarted = (pod["metadata"].get("annotations") or {}).get(RESTARTED_AT, "")
        if not (_created(pod) >= _time(at) if by_time else restarted == at):
            continue
        trouble = pods.trouble(pod)
        if trouble is None:
            continue
        began = since.setdefault(trouble.key, now)
        if trouble.certain or now - began >= FATAL_AFTER_S + trouble.grace_s:
            raise RolloutFailedError(trouble.cause, next_command=trouble.next_command)
