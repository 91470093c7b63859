"""Why a new revision does not come up: read once, for the rollout that waits and for whoever asks later.

A pod's own status says most of it; probes and volumes fail in events alone.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, progressive
from slipway_host.errors import AccessDeniedError, DeliveryError, TransientError, quote
from slipway_host.scrub import parts, scrubbed
from slipway_host.workload import ROLLOUT, owned, revision_number

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json, Trouble
    from slipway_host.settings import Target
    from slipway_host.workload import Workload

KUBELET_S = 20.0
"""Within so many seconds, the kubelet looks again at a pod whose configuration was not there: after 10 to 15,
and a few more where it is busy."""
LAST_WORDS = 500
"""Characters of a crashed container's log in an error: the end of it, where the reason is."""
SOME = 5
"""Pods whose events are read: those of one revision tell the same."""
_EVENTS = {
    "Unhealthy": "is not ready",
    "FailedMount": "waits for a volume",
    "FailedAttachVolume": "waits for a volume",
    "FailedCreatePodSandBox": "gets no sandbox from its node",
}
"""Reasons of events that keep a pod from becoming ready and stand in no status, and what they mean."""

# The kubelet's words; an error's text quotes them in full.
_LACKING = re.compile(
    r'secret "(?P<name>[^"]+)" not found'
    r"|couldn't find key (?P<key>\S+) in Secret [^/\s]+/(?P<of>[a-z0-9.-]+)"
)


def new_replica_set(workload: Workload, target: Target, digest: str) -> Json | None:
    """Return the ReplicaSet that the current rollout fills; None before it is made."""
    # A rollback and a return to the same tag leave an older ReplicaSet with our image behind.
    ours = [item for item in workload.replica_sets if pods.carries(item["spec"]["template"], target, digest)]
    return max(ours, key=revision_number, default=None)


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
    if not pods.carries(workload.body["spec"]["template"], target, digest):
        return []
    found = [pods.trouble(pod) for pod in new_pods(workload, target, digest)]
    found += [*of_workload(workload, target, digest), gave_up(workload, target)]
    return [item for item in found if item]


def of_workload(workload: Workload, target: Target, digest: str) -> list[Trouble]:
    """Return what keeps the workload from having its pods: nothing of the pods themselves (fault 87)."""
    replica_set = new_replica_set(workload, target, digest)
    found = [_failed(replica_set, "ReplicaFailure", "True", "cannot create its pods")] if replica_set else []
    # A paused Rollout is a person's way to look at a canary for longer: it is waited for, as in any pause.
    if workload.body["spec"].get("paused") and target.workload_kind != ROLLOUT:
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


def gave_up(workload: Workload, target: Target) -> Trouble | None:
    """Return the workload's own word that its rollout does not get on."""
    if target.workload_kind == ROLLOUT:
        return progressive.gave_up(workload, target)
    return _failed(workload.body, "Progressing", "False", "gave up") if workload.observed else None


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


async def last_words(kube: KubeClient, target: Target, trouble: Trouble) -> str:
    """Return the end of the crashed container's log, without credentials; empty if it is silent."""
    if not trouble.container:
        return ""
    text = ""
    # The rollout has failed either way: the log is worth a few seconds, and no second error.
    with anyio.move_on_after(10), contextlib.suppress(DeliveryError):
        text = await kube.pod_log(target.namespace, trouble.key[0], trouble.container, previous=True)
    text = scrubbed(text, parts(value.get_secret_value() for value in target.secrets.given.values()))
    return quote(text[-LAST_WORDS:]) if text.strip() else ""


async def explained(
    kube: KubeClient, target: Target, trouble: Trouble, workload: Workload | None = None
) -> str:
    """Return a trouble's cause with all that the cluster has to say of it."""
    if trouble.reason == progressive.ABORTED and workload:
        found = await progressive.measured(kube, target, workload)
        return "; ".join(filter(None, [trouble.cause, found]))
    if not trouble.container:
        return trouble.cause
    killed = await killed_by_probe(kube, target, trouble)
    words = await last_words(kube, target, trouble)
    said = [trouble.cause, f"the kubelet kills it: {killed}" if killed else ""]
    said.append(f"its last words: {words}" if words else "")
    return "; ".join(filter(None, said))


async def _events(kube: KubeClient, target: Target, pod: str, reason: str = "") -> list[Json]:
    """Return a pod's events, the latest last; none where they cannot be read."""
    fields = f"involvedObject.name={pod}" + (f",reason={reason}" if reason else "")
    path = f"/api/v1/namespaces/{target.namespace}/events"
    found = await kube.list(path, fields=fields)
    return sorted(found, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))


async def without_pull_secret(kube: KubeClient, target: Target, pod: str) -> bool:
    """Say whether the kubelet pulled without a pull secret that is there, or whether nobody knows.

    One that is not there will not be the next time either.
    """
    try:
        if not await _events(kube, target, pod, pods.NO_PULL_SECRET):
            return False
        path = f"/api/v1/namespaces/{target.namespace}/secrets/{target.secrets.pull_secret}"
        return await kube.find(path) is not None
    except (AccessDeniedError, TransientError):
        return True  # some seconds more do less harm than a failed deploy


async def made_since(kube: KubeClient, target: Target, trouble: Trouble) -> bool:
    """Say whether a container lacked a key of the service's Secret that is there by now, or nobody knows.

    As in a preview's first deploy, whose pods are older than its Secret. The kubelet looks again by itself.
    """
    found = _LACKING.search(trouble.cause) if trouble.reason == "CreateContainerConfigError" else None
    if found is None or (found["name"] or found["of"]) != target.secrets.name:
        return False
    try:
        secret = await kube.find(f"/api/v1/namespaces/{target.namespace}/secrets/{target.secrets.name}")
    except (AccessDeniedError, TransientError):
        return True
    return secret is not None and (not found["key"] or found["key"] in (secret.get("data") or {}))


async def of_events(kube: KubeClient, target: Target, pod: Json) -> Trouble | None:
    """Return what a pod's events say that its status does not: a probe or a volume that fails."""
    try:
        found = await _events(kube, target, pods.name(pod))
    except (AccessDeniedError, TransientError):
        return None
    told = [event for event in found if event.get("reason") in _EVENTS]
    if not told or pods.ready(pod) or not pods.alive(pod):
        return None
    reason, message = str(told[-1]["reason"]), quote(scrubbed(str(told[-1].get("message", ""))), limit=300)
    return pods.Trouble(
        key=(pods.name(pod), reason),
        reason=reason,
        cause=f"pod {pods.name(pod)} {_EVENTS[reason]}: {message}",
        next_command=f"kubectl -n {target.namespace} describe pod {pods.name(pod)}",
    )


async def refused_creation(kube: KubeClient, target: Target, owner: str) -> str:
    """Return why Kubernetes creates no pod for an object, by its last event that says so; else nothing."""
    try:
        found = await _events(kube, target, owner, "FailedCreate")
    except (AccessDeniedError, TransientError):
        return ""
    return quote(scrubbed(str(found[-1].get("message", ""))), limit=300) if found else ""


async def killed_by_probe(kube: KubeClient, target: Target, trouble: Trouble) -> str:
    """Return the liveness or startup probe's words where it is what kills the container; empty otherwise."""
    try:
        found = await _events(kube, target, trouble.key[0], "Killing")
        probes = await _events(kube, target, trouble.key[0], "Unhealthy")
    except (AccessDeniedError, TransientError):
        return ""
    if not any("probe" in str(event.get("message", "")) for event in found):
        return ""
    said = [str(event.get("message", "")) for event in probes]
    said = [text for text in said if not text.startswith("Readiness")]
    return quote(scrubbed(said[-1]), limit=300) if said else "a probe failed"


async def silent_ones(
    kube: KubeClient, target: Target, workload: Workload | None, digest: str
) -> list[Trouble]:
    """Return what keeps the new pods from becoming ready where their own status gives no reason."""
    waiting = [pod for pod in new_pods(workload, target, digest) if not pods.ready(pod)] if workload else []
    found: list[Trouble] = []
    with anyio.move_on_after(10):
        for pod in waiting[:SOME]:
            trouble = await of_events(kube, target, pod)
            found += [trouble] if trouble else []
    return found
