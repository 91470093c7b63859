"""New pods for a workload whose Secret has changed: pods read their environment once, when they start."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, waiting
from slipway_host.errors import DeadlineError, RolloutFailedError
from slipway_host.workload import Workload, read_workload, watched_workload

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
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
    show = f"kubectl -n {target.namespace} rollout status {what}"
    first = await waiting.patiently(lambda: read_workload(kube, target), report)
    if first is None:
        return False
    if _restarted(first) < _time(at):
        path = f"/apis/apps/v1/namespaces/{target.namespace}/{target.workload_kind.lower()}s"
        template = {"metadata": {"annotations": {RESTARTED_AT: at}}}
        body = {"spec": {"template": template}}
        report(f"{what}: new pods")
        # The same patch twice is one change: a lost answer costs nothing.
        await waiting.patiently(lambda: kube.patch(f"{path}/{target.workload_name}", body), report)
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


def progress(workload: Workload) -> tuple[str, bool]:
    """Return how far a rollout is, in words, and whether every pod is new and available."""
    body, count = workload.body, workload.count
    seen = body.get("status", {}).get("observedGeneration", 0) >= body["metadata"]["generation"]
    complete = seen and count.old == 0 and count.updated == count.available == count.wanted
    return f"{count.updated} of {count.wanted} pods are new, {count.available} available", complete


def _restarted(workload: Workload) -> dt.datetime:
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
    for pod in workload.pods:
        if (pod["metadata"].get("annotations") or {}).get(RESTARTED_AT, "") != at:
            continue
        trouble = pods.trouble(pod)
        if trouble is None:
            continue
        began = since.setdefault(trouble.key, now)
        if trouble.certain or now - began >= FATAL_AFTER_S + trouble.grace_s:
            raise RolloutFailedError(trouble.cause, next_command=trouble.next_command)
