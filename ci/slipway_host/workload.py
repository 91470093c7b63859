"""The Deployment, StatefulSet, DaemonSet or Rollout that runs a service, with what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host import waiting
from slipway_host.caller import command
from slipway_host.errors import NotFoundError, TerminalError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target

ROLLOUT = "Rollout"
"""The kind that Argo Rollouts adds, for canaries and blue-green deployments."""
GROUPS = {ROLLOUT: "argoproj.io/v1alpha1"}
"""Where a kind is that is not of `apps/v1`."""
REVISIONS = ("deployment.kubernetes.io/revision", "rollout.argoproj.io/revision")
"""Annotations that number the revisions of a workload and its ReplicaSets."""
HASH = "rollouts-pod-template-hash"
"""Label of what belongs to one version of a Rollout."""
RETIRED = "scale-down-deadline"
"""Annotation of a ReplicaSet that Argo Rollouts has taken out of service, and ends later: a way back."""
OF_REPLICA_SETS = {"Deployment", ROLLOUT}
"""Kinds that make their pods by way of ReplicaSets."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """Pods by a workload's own status, under one set of names for all kinds."""

    wanted: int
    updated: int
    available: int
    unavailable: int
    ready: int
    old: int


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A workload with what belongs to it by ownership, not by label alone."""

    body: Json
    replica_sets: tuple[Json, ...]
    pods: tuple[Json, ...]

    @property
    def observed(self) -> bool:
        """Whether the controller has seen the last change: before, the status is of an earlier one."""
        # Argo Rollouts writes it as a text.
        seen = int(self.body.get("status", {}).get("observedGeneration") or 0)
        return seen >= int(self.body["metadata"]["generation"])

    @property
    def serving(self) -> tuple[Json, ...]:
        """The pods without those of ReplicaSets that Argo Rollouts has taken out of service."""
        retired = {
            item["metadata"]["uid"]
            for item in self.replica_sets
            if RETIRED in (item["metadata"].get("annotations") or {})
        }
        if not retired:
            return self.pods
        gone = {pod["metadata"]["uid"] for pod in owned(self.pods, retired)}
        return tuple(pod for pod in self.pods if pod["metadata"]["uid"] not in gone)

    @property
    def count(self) -> Count:
        """How many pods there are and should be."""
        status, spec = self.body.get("status", {}), self.body["spec"]
        if "desiredNumberScheduled" in status:  # a DaemonSet: as many as there are nodes for it
            updated = status.get("updatedNumberScheduled", 0)
            return Count(
                wanted=status["desiredNumberScheduled"],
                updated=updated,
                available=status.get("numberAvailable", 0),
                unavailable=status.get("numberUnavailable", 0),
                ready=status.get("numberReady", 0),
                old=max(0, status.get("currentNumberScheduled", 0) - updated),
            )
        updated = status.get("updatedReplicas", 0)
        return Count(
            wanted=spec.get("replicas", 1),
            updated=updated,
            available=status.get("availableReplicas", 0),
            unavailable=status.get("unavailableReplicas", 0),
            ready=status.get("readyReplicas", 0),
            old=status.get("replicas", 0) - updated,
        )


def revision_number(body: Json) -> int:
    """Return the number of a workload's or ReplicaSet's revision; 0 where it has none."""
    annotations = body["metadata"].get("annotations") or {}
    return int(next((annotations[name] for name in REVISIONS if name in annotations), 0))


def workload_path(target: Target) -> str:
    """Return the path of the collection that the workload is in."""
    group = GROUPS.get(target.workload_kind, "apps/v1")
    return f"/apis/{group}/namespaces/{target.namespace}/{target.workload_kind.lower()}s"


def _replica_sets(target: Target) -> str:
    return f"/apis/apps/v1/namespaces/{target.namespace}/replicasets"


def _pods(target: Target) -> str:
    return f"/api/v1/namespaces/{target.namespace}/pods"


def _selector(body: Json) -> str:
    selector = body["spec"]["selector"]
    parts = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    for item in selector.get("matchExpressions", []):
        values = f"({','.join(item.get('values', []))})"
        parts.append(
            {
                "In": f"{item['key']} in {values}",
                "NotIn": f"{item['key']} notin {values}",
                "Exists": item["key"],
                "DoesNotExist": f"!{item['key']}",
            }[item["operator"]]
        )
    return ",".join(parts)


def owned(objects: Iterable[Json], owners: set[str]) -> tuple[Json, ...]:
    """Return the objects that belong to one of the owners, by uid."""
    # Two charts with the same labels would otherwise answer for each other.
    return tuple(
        item
        for item in objects
        if any(ref.get("uid") in owners for ref in item["metadata"].get("ownerReferences", []))
    )


async def read_workload(kube: KubeClient, target: Target) -> Workload | None:
    """Return the workload, its ReplicaSets and its pods as they are now; None before it exists.

    Raises:
        TerminalError: a Rollout that takes its pods from another workload.
    """
    body = await kube.find(f"{workload_path(target)}/{target.workload_name}")
    if body is None:
        return None
    if other := body["spec"].get("workloadRef"):
        raise TerminalError(
            f"{target.workload_kind}/{target.workload_name} takes its pods from {other.get('kind')}/"
            f"{other.get('name')} (spec.workloadRef), which Slipway does not follow: it has to have a "
            "spec.template and a spec.selector of its own",
            next_command=command("status", f"--service={target.service}"),
        )
    selector, owners = _selector(body), {body["metadata"]["uid"]}
    replica_sets: tuple[Json, ...] = ()
    if target.workload_kind in OF_REPLICA_SETS:
        found = await kube.list(_replica_sets(target), selector=selector)
        replica_sets = owned(found, owners)
        owners = {item["metadata"]["uid"] for item in replica_sets}
    found = await kube.list(_pods(target), selector=selector)
    return Workload(body=body, replica_sets=replica_sets, pods=owned(found, owners))


async def existing_workload(kube: KubeClient, target: Target, report: Report) -> Workload:
    """Return the workload as it is now, for what makes no sense without one; waits out a server that is away.

    Raises:
        NotFoundError: it does not exist.
    """
    found = await waiting.patiently(lambda: read_workload(kube, target), report)
    if found is None:
        raise NotFoundError(
            f"{target.workload_kind}/{target.workload_name} does not exist in namespace {target.namespace}",
            next_command=command("status", f"--service={target.service}"),
        )
    return found


def watched_workload(target: Target, workload: Workload | None) -> list[waiting.Watched]:
    """Return what has to be watched to see a rollout move."""
    # Before the workload exists nobody knows its labels: then everything in the namespace counts.
    selector = _selector(workload.body) if workload else ""
    found = [
        waiting.Watched(path=workload_path(target), fields=f"metadata.name={target.workload_name}"),
        waiting.Watched(path=_pods(target), selector=selector),
    ]
    if target.workload_kind in OF_REPLICA_SETS:
        found.append(waiting.Watched(path=_replica_sets(target), selector=selector))
    return found
