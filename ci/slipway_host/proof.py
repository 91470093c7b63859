"""Prove that what was pushed is what runs: the only thing that makes a deploy a success (R15)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, rollout, waiting
from slipway_host.application import Holds
from slipway_host.errors import (
    DeadlineError,
    HealthDegradedError,
    SupersededError,
    TerminalError,
    quote,
)
from slipway_host.progress import within
from slipway_host.results import StageResult, Status
from slipway_host.workload import read_workload, watched_workload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.application import Application
    from slipway_host.applications import Applications
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target
    from slipway_host.waiting import Changes
    from slipway_host.workload import Workload


def service_status(pod: Json, target: Target) -> Json | None:
    """Return the status of the container that runs the service's image; None before it exists."""
    ours = pods.Image.parse(target.repository).repository
    names = {
        container["name"]
        for container in pod.get("spec", {}).get("containers", [])
        if pods.Image.parse(container.get("image", "")).repository == ours
    }
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] in names:
            return dict(status)
    return None


def runs(pod: Json, target: Target, digest: str, manifests: frozenset[str] = frozenset()) -> bool:
    """Say whether the pod's service container was started from `digest`.

    Of an index, containerd reports the index's digest, and that of the node's own manifest where it had
    pulled that one by itself before. A pod whose spec pins our digest is ours whatever the node calls it:
    the kubelet pulls nothing else for it.

    Args:
        pod: the pod.
        target: the service.
        digest: what was pushed, an image's or an index's.
        manifests: digests of the index's own manifests; no others are taken for it.
    """
    found = image_id(pod, target)
    if not found:
        return False
    named = found.partition("@")[2]
    return named == digest or named in manifests or all(i.digest == digest for i in pods.images(pod, target))


def image_id(pod: Json, target: Target) -> str:
    """Return what the node says that the service's container was started from."""
    return str((service_status(pod, target) or {}).get("imageID", ""))


def evidence(pod: Json, target: Target) -> Json:
    """Return what the receipt keeps of a pod."""
    status = service_status(pod, target) or {}
    return {
        "name": pods.name(pod),
        "node": pod["spec"].get("nodeName", ""),
        "image_id": status.get("imageID", ""),
        "started_at": status.get("state", {}).get("running", {}).get("startedAt", ""),
    }


def missing(
    app: Application,
    workload: Workload | None,
    target: Target,
    *,
    digest: str,
    manifests: frozenset[str],
    commit: str,
    synced: str,
) -> str:
    """Return what the proof still lacks, in one line; empty where nothing is.

    Args:
        app: the Application as it is now.
        workload: the workload as it is now.
        target: the service.
        digest: what its pods have to run.
        manifests: the manifests that are in it, where it is an index.
        commit: what has to be synced.
        synced: the revision with our commit that the live state was compared with, or nothing.

    Raises:
        SupersededError: a later commit has already replaced our image.
        TerminalError: a pod with our tag runs something else, which no waiting changes.
    """
    if app.sync_status != "Synced" or not synced:
        return f"Argo CD is {app.summary()}, and not Synced at {commit[:8]} or later"
    if workload is None or not pods.carries(workload.body["spec"]["template"], target, digest):
        line = rollout.progress(workload, target, digest).line
        if workload and synced != commit:
            raise SupersededError(f"{line}: {synced[:8]} has replaced {commit[:8]} since")
        return line
    progress = rollout.progress(workload, target, digest)
    if not progress.complete:
        return progress.line
    return _wrong_pods(workload, target, digest, manifests) or (
        "" if app.health == "Healthy" else f"Argo CD says {app.summary()}"
    )


def _wrong_pods(workload: Workload, target: Target, digest: str, manifests: frozenset[str]) -> str:
    # A pod on its way out gets no new requests, and its grace period may outlast any deadline.
    alive = [pod for pod in workload.serving if pods.alive(pod)]
    for pod in alive:
        if not image_id(pod, target) or runs(pod, target, digest, manifests):
            continue
        what = f"pod {pods.name(pod)} runs {quote(image_id(pod, target), limit=300)}"
        if not pods.carries(pod, target, digest):
            return f"{what}, of another revision"
        raise TerminalError(
            f"{what}, not {digest}, although its tag {target.tag} is ours: the tag was moved; "
            "a digest in the values file rules that out",
            next_command=f"kubectl -n {target.namespace} get pod {pods.name(pod)} "
            "-o jsonpath={.status.containerStatuses}",
        )
    return "" if any(pods.ready(pod) for pod in alive) else "no pod is ready"


class _Proof:
    """What the wait remembers from one look to the next."""

    def __init__(
        self,
        kube: KubeClient,
        applications: Applications,
        target: Target,
        digest: str,
        manifests: frozenset[str],
        holds: Holds,
        report: Report,
    ) -> None:
        self.kube, self.applications = kube, applications
        self.target, self.digest, self.manifests = target, digest, manifests
        self.holds, self.report = holds, report
        self.first: str | None = None
        self.health = ""
        self.synced = ""
        self.line = "nothing was read yet"
        self.workload: Workload | None = None

    async def look(self, commit: str) -> bool:
        """Read everything once; return whether the proof is complete."""
        target, report = self.target, self.report
        app = await waiting.patiently(lambda: self.applications.read(target), report)
        self.workload = await waiting.patiently(lambda: read_workload(self.kube, target), report)
        self.first = app.reconciled_at if self.first is None else self.first
        self.health = app.health
        self.synced = await self.holds.one_of(app.revisions, report)
        line = missing(
            app,
            self.workload,
            target,
            digest=self.digest,
            manifests=self.manifests,
            commit=commit,
            synced=self.synced,
        )
        if line and line != self.line:
            report(line)
        self.line = line
        # What was Degraded before we looked may be the state that our commit has just repaired.
        if app.health == "Degraded" and self.synced and app.reconciled_at != self.first:
            raise self.degraded(f"Argo CD says {app.summary()}: {app.complaints()}")
        return not line

    def degraded(self, cause: str) -> HealthDegradedError:
        """Return the error for an application that is not Healthy."""
        return HealthDegradedError(
            cause.rstrip(": "),
            next_command=f"kubectl -n {self.target.namespace} get events --sort-by=.lastTimestamp",
        )


async def prove(
    kube: KubeClient,
    applications: Applications,
    target: Target,
    *,
    commit: str,
    digest: str,
    contains: Callable[[str], Awaitable[bool]],
    report: Report,
    deadline_s: float,
    manifests: frozenset[str] = frozenset(),
) -> StageResult:
    """Return the evidence that our commit is synced, Healthy and what every pod runs (R15).

    Raises:
        SupersededError: a later commit has already replaced our image.
        HealthDegradedError: Argo CD found the application Degraded, or not Healthy in time.
        TerminalError: a pod with our tag runs something else.
        DeadlineError: anything else is still missing after `deadline_s`.
    """
    proof = _Proof(kube, applications, target, digest, manifests, Holds(commit, contains), report)

    async def loop(changes: Changes) -> None:
        while not await proof.look(commit):
            await changes.wait()

    within(deadline_s)
    with anyio.move_on_after(deadline_s) as scope:
        first = await waiting.patiently(lambda: read_workload(kube, target), report)
        workload_changes = waiting.in_cluster(kube, watched_workload(target, first))
        await waiting.watching([partial(applications.changes, target), *workload_changes], loop, report)
    workload = proof.workload
    if scope.cancelled_caught or workload is None:
        late = f"not proven within {deadline_s:g} s: {proof.line}"
        if proof.synced and proof.health not in {"", "Healthy"}:
            raise proof.degraded(late)
        raise DeadlineError(late, next_command=f"kubectl -n {target.namespace} get pods -o wide")
    ours = [evidence(pod, target) for pod in workload.serving if pods.ready(pod)]
    return StageResult(
        stage="proof",
        status=Status.SUCCEEDED,
        summary=f"Synced at {proof.synced[:8]}, Healthy, {len(ours)} ready pods run {digest}",
        outputs={"revision": proof.synced, "pods": ours},
    )
