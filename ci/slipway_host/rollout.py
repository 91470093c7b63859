"""Wait until the workload's own controller says that the new pods serve; fail once they cannot.

Argo CD calls an application Progressing for as long as Kubernetes tries, and that is ten minutes.
The reason is in the pods within seconds (faults 85 to 88).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, waiting
from slipway_host.errors import (
    AccessDeniedError,
    DeadlineError,
    DeliveryError,
    RolloutFailedError,
    TransientError,
    quote,
)
from slipway_host.results import StageResult, Status
from slipway_host.scrub import scrubbed
from slipway_host.workload import Workload, owned, read_workload, watched_workload

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json, Trouble
    from slipway_host.progress import Report
    from slipway_host.settings import Target
    from slipway_host.waiting import Changes

REVISION = "deployment.kubernetes.io/revision"
LAST_WORDS = 500
"""Characters of a crashed container's log in an error: the end of it, where the reason is."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a rollout has come."""

    complete: bool
    line: str


def progress(workload: Workload | None, target: Target, digest: str) -> Progress:
    """Return how far our image has come, by the workload's own status (fault 90)."""
    what = f"{target.workload_kind}/{target.workload_name}"
    if workload is None:
        line = f"{what} does not exist yet: waiting for Argo CD to create it"
        return Progress(complete=False, line=line)
    body, spec = workload.body, workload.body["spec"]
    count = workload.count
    if not pods.carries(spec["template"], target, digest):
        found = ", ".join(c.get("image", "") for c in spec["template"]["spec"]["containers"])
        asks = f"{quote(found, limit=300)}, not for {target.repository}:{target.tag} yet"
        return Progress(complete=False, line=f"{what} asks for {asks}")
    status = body.get("status", {})
    revision = status.get("updateRevision")  # StatefulSets only
    waits = [
        (
            status.get("observedGeneration", 0) < body["metadata"]["generation"],
            "its controller has not seen the change yet",
        ),
        (count.updated < count.wanted, f"{count.updated} of {count.wanted} pods updated"),
        (count.old > 0, f"{count.old} old pods are still there"),
        (
            count.available < count.wanted or count.unavailable > 0,
            f"{count.available} of {count.wanted} new pods available",
        ),
        (status.get("currentRevision") != revision, f"revision {revision} is not current yet"),
    ]
    line = next((line for waits_on, line in waits if waits_on), "")
    done = f"all {count.wanted} pods are updated and available"
    return Progress(complete=not line, line=f"{what}: {line or done}")


def new_replica_set(workload: Workload, target: Target, digest: str) -> Json | None:
    """Return the ReplicaSet that the current rollout fills; None before it is made."""
    # A rollback and a return to the same tag leave an older ReplicaSet with our image behind.
    ours = [item for item in workload.replica_sets if pods.carries(item["spec"]["template"], target, digest)]
    return max(
        ours,
        key=lambda item: int(item["metadata"].get("annotations", {}).get(REVISION, 0)),
        default=None,
    )


def new_pods(workload: Workload, target: Target, digest: str) -> list[Json]:
    """Return the pods of the revision that has our image: only they may fail the rollout."""
    if not pods.carries(workload.body["spec"]["template"], target, digest):
        return []
    if target.workload_kind == "StatefulSet":
        revision = workload.body.get("status", {}).get("updateRevision")
        label = "controller-revision-hash"
        ours = [p for p in workload.pods if p["metadata"].get("labels", {}).get(label) == revision]
        return [pod for pod in ours if pods.carries(pod, target, digest)]
    if target.workload_kind == "DaemonSet":
        # Its revision is in no status: the image itself says which pods are new.
        return [pod for pod in workload.pods if pods.carries(pod, target, digest)]
    replica_set = new_replica_set(workload, target, digest)
    return list(owned(workload.pods, {replica_set["metadata"]["uid"]})) if replica_set else []


def troubles(workload: Workload, target: Target, digest: str) -> list[Trouble]:
    """Return everything that keeps the new revision from being complete."""
    body = workload.body
    if not pods.carries(body["spec"]["template"], target, digest):
        return []
    found = [pods.trouble(pod) for pod in new_pods(workload, target, digest)]
    replica_set = new_replica_set(workload, target, digest)
    if replica_set:
        found.append(_failed(replica_set, "ReplicaFailure", "True", "cannot create its pods"))
    if body.get("status", {}).get("observedGeneration", 0) >= body["metadata"]["generation"]:
        found.append(_failed(body, "Progressing", "False", "gave up"))
    if body["spec"].get("paused"):
        what = f"{target.workload_kind.lower()}/{target.workload_name}"
        found.append(
            pods.Trouble(
                key=(target.workload_name, "paused"),
                reason="Paused",
                cause=f"{what} is paused (spec.paused), so its pods stay as they are",
                next_command=f"kubectl -n {target.namespace} rollout resume {what}",
                certain=True,
            )
        )
    return [item for item in found if item]


def _failed(body: Json, kind: str, status: str, what: str) -> Trouble | None:
    condition = pods.condition(body, kind)
    if condition.get("status") != status:
        return None
    reason, message = str(condition.get("reason", kind)), quote(condition.get("message", ""))
    resource = "replicaset" if kind == "ReplicaFailure" else "deployment"
    return pods.Trouble(
        key=(pods.name(body), kind),
        reason=reason,
        cause=f"{resource}/{pods.name(body)} {what}: {reason}: {message}",
        next_command=f"kubectl -n {body['metadata']['namespace']} describe {resource} {pods.name(body)}",
    )


class _Rollout:
    """What a wait remembers from one look to the next."""

    def __init__(self, kube: KubeClient, target: Target, digest: str, report: Report) -> None:
        self.kube, self.target, self.digest, self.report = kube, target, digest, report
        self.line = ""
        self.states: dict[str, str] = {}
        self.since: dict[tuple[str, str], float] = {}
        self.troubles: dict[tuple[str, str], Trouble] = {}

    async def look(self) -> tuple[Progress, Workload | None]:
        """Read the cluster, and report what is new."""
        workload = await waiting.patiently(lambda: read_workload(self.kube, self.target), self.report)
        seen = progress(workload, self.target, self.digest)
        if seen.line and seen.line != self.line:
            self.line = seen.line
            self.report(seen.line)
        self._note(workload)
        await self._excuse()
        return seen, workload

    async def _excuse(self) -> None:
        """Leave its grace to a refused pull only where the kubelet pulled without the pull secret."""
        for key, trouble in list(self.troubles.items()):
            if trouble.grace_s and not await self._without_secret(key[0]):
                self.troubles[key] = replace(trouble, grace_s=0)

    async def _without_secret(self, pod: str) -> bool:
        path = f"/api/v1/namespaces/{self.target.namespace}/events"
        fields = f"involvedObject.name={pod},reason={pods.NO_PULL_SECRET}"
        try:
            return bool(await self.kube.list(path, fields=fields))
        except (AccessDeniedError, TransientError):
            return True  # nobody knows: some seconds more do less harm than a failed deploy

    def _note(self, workload: Workload | None) -> None:
        ours = new_pods(workload, self.target, self.digest) if workload else []
        states = {pods.name(pod): pods.state(pod) for pod in ours}
        for name, state in states.items():
            if self.states.get(name) != state:
                self.report(f"pod {name}: {state}")
        self.states = states
        now = anyio.current_time()
        found = {t.key: t for t in troubles(workload, self.target, self.digest)} if workload else {}
        self.since = {key: self.since.get(key, now) for key in found}
        # Before 1.31 the kubelet told the cause with ErrImagePull only, and it takes turns.
        self.troubles = {
            key: self.troubles.get(key, new) if new.reason == "ImagePullBackOff" else new
            for key, new in found.items()
        }

    def fatal(self, after_s: float) -> Trouble | None:
        """Return a trouble that is certain, or that has lasted `after_s`."""
        now = anyio.current_time()
        for key, trouble in self.troubles.items():
            if trouble.certain or now - self.since[key] >= after_s + trouble.grace_s:
                return trouble
        return None

    def patience(self, after_s: float) -> float:
        """Return the seconds until the next trouble counts."""
        now = anyio.current_time()
        ends = (self.since[key] + after_s + trouble.grace_s for key, trouble in self.troubles.items())
        return min([waiting.RESYNC_S, *(end - now for end in ends)])


async def wait_rollout(
    kube: KubeClient,
    target: Target,
    *,
    digest: str,
    report: Report,
    deadline_s: float,
    fatal_after_s: float = 10,
) -> StageResult:
    """Return once every replica of the workload runs our image and is available (R13).

    A workload that does not carry our image yet is waited for: Argo CD may still be applying it.
    What the cluster may get over by itself (a first failed pull, a Secret made a moment later) is
    an error only after `fatal_after_s`; a crash loop is one at once.

    Raises:
        RolloutFailedError: the new pods cannot become ready, with the container's last words.
        DeadlineError: the time ran out first, with the last state of the workload and its pods.
    """
    wait = _Rollout(kube, target, digest, report)
    seen, workload = Progress(complete=False, line="nothing read yet"), None
    fatal: Trouble | None = None
    looks = 0

    async def loop(changes: Changes) -> None:
        nonlocal seen, workload, fatal, looks
        while True:
            seen, workload = await wait.look()
            looks += 1
            fatal = None if seen.complete else wait.fatal(fatal_after_s)
            if seen.complete or fatal:
                return
            await changes.wait(wait.patience(fatal_after_s))

    with anyio.move_on_after(deadline_s):
        first = await waiting.patiently(lambda: read_workload(kube, target), report)
        await waiting.watching(kube, watched_workload(target, first), loop, report)
    if fatal:
        words = await _last_words(kube, target, fatal)
        raise RolloutFailedError(f"{fatal.cause}{words}", next_command=fatal.next_command)
    if not seen.complete or workload is None:
        states = "; ".join(f"pod {name}: {state}" for name, state in wait.states.items())
        trouble = "; ".join(item.cause for item in wait.troubles.values())
        details = "; ".join(filter(None, [seen.line, states, trouble]))
        raise DeadlineError(
            f"the rollout is not complete after {deadline_s:g} s: {details}",
            next_command=f"kubectl -n {target.namespace} describe "
            f"{target.workload_kind.lower()} {target.workload_name}",
        )
    return StageResult(
        stage="rollout",
        status=Status.SKIPPED if looks == 1 else Status.SUCCEEDED,
        summary=seen.line,
        outputs={"pods": [pods.name(pod) for pod in new_pods(workload, target, digest)]},
    )


async def _last_words(kube: KubeClient, target: Target, trouble: Trouble) -> str:
    """Return the end of the crashed container's log, without credentials; empty if it is silent."""
    if not trouble.container:
        return ""
    text = ""
    # The rollout has failed either way: the log is worth a few seconds, and no second error.
    with anyio.move_on_after(10), contextlib.suppress(DeliveryError):
        text = await kube.pod_log(target.namespace, trouble.key[0], trouble.container, previous=True)
    text = scrubbed(text, [value.get_secret_value() for value in target.secrets.given.values()])
    return f"; its last words: {quote(text[-LAST_WORDS:])}" if text.strip() else ""
