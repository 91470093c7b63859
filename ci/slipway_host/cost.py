"""What running services cost: what their pods reserve, times what an hour of it is worth (R27).

Read from the cluster: the pods that run, the workload's revisions, its autoscaler, the nodes. Where the
account may not read one of them, that is said in its place; no more rights are asked for.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from slipway_host import pods, revisions
from slipway_host.cost_text import change_document, change_line
from slipway_host.errors import AccessDeniedError, DeliveryError, NotFoundError
from slipway_host.expense import Change, Expense, Replicas
from slipway_host.footprint import RESOURCES, footprint
from slipway_host.pricing import EXAMPLE
from slipway_host.quantities import quantity
from slipway_host.results import Status
from slipway_host.workload import read_workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.footprint import Amounts
    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.results import StageResult
    from slipway_host.settings import Target
    from slipway_host.workload import Workload


async def expenses(targets: Sequence[Target], *, kube: KubeClient) -> list[Expense]:
    """Return what each service takes and costs; what cannot be read is said in its place.

    Args:
        targets: the services.
        kube: the cluster.
    """
    offer, blind = await _nodes(kube)
    found = []
    for target in targets:
        nothing = Expense(target=target, prices=target.prices or EXAMPLE, example=target.prices is None)
        try:
            one = await _expense(kube, nothing)
        except DeliveryError as error:
            one = replace(nothing, problem=error.cause)
        if one.pod and blind:
            one = replace(one, unknown=(*one.unknown, blind))
        if one.pod and offer:
            taken = {name: one.pod.requests[name] * one.replicas.now for name in RESOURCES}
            one = replace(one, share={name: float(taken[name] / offer[name]) for name in RESOURCES})
        found.append(one)
    return found


async def _expense(kube: KubeClient, nothing: Expense) -> Expense:
    target = nothing.target
    workload = await read_workload(kube, target)
    if workload is None:
        raise NotFoundError(
            f"{target.workload_kind}/{target.workload_name} does not exist in namespace {target.namespace}"
        )
    unknown = []
    wanted = workload.count.wanted
    replicas = Replicas(now=wanted, least=wanted, most=wanted)
    try:
        replicas = await _scaled(kube, target, replicas)
    except AccessDeniedError as error:
        unknown.append(f"whether an autoscaler changes the number of pods: {error.cause}")
    change = None
    try:
        change = await changed(kube, target, workload)
    except DeliveryError as error:
        unknown.append(f"what the last rollout changed: {error.cause}")
    spec = _newest(workload) or workload.body["spec"]["template"]["spec"]
    return replace(nothing, pod=footprint(spec), replicas=replicas, change=change, unknown=tuple(unknown))


def _newest(workload: Workload) -> Json | None:
    """Return the newest pod's spec: with what the cluster adds to the template, defaults and sidecars."""
    living = [pod for pod in workload.pods if pods.alive(pod)]
    newest = max(living, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), default=None)
    return dict(newest["spec"]) if newest else None


async def _scaled(kube: KubeClient, target: Target, replicas: Replicas) -> Replicas:
    path = f"/apis/autoscaling/v2/namespaces/{target.namespace}/horizontalpodautoscalers"
    for item in await kube.list(path):
        spec = item["spec"]
        aim = spec["scaleTargetRef"]
        if (aim.get("kind"), aim.get("name")) == (target.workload_kind, target.workload_name):
            return replace(
                replicas,
                least=int(spec.get("minReplicas", 1)),
                most=int(spec["maxReplicas"]),
                autoscaler=str(item["metadata"]["name"]),
            )
    return replicas


async def changed(kube: KubeClient, target: Target, workload: Workload) -> Change | None:
    """Return what the last rollout changed; None where the workload has no earlier revision.

    Raises:
        DeliveryError: the revisions cannot be read.
    """
    found = await revisions.read(kube, target, workload)
    if len(found) < 2:  # noqa: PLR2004 - one before, one after
        return None
    later, earlier = found[:2]
    return Change(
        earlier=earlier.number,
        later=later.number,
        before=footprint(_spec(earlier)),
        after=footprint(_spec(later)),
    )


def _spec(revision: revisions.Revision) -> Json:
    inside = revision.body["spec"] if revision.kind == "json" else revision.body["data"]["spec"]
    return dict(inside["template"]["spec"])


async def _nodes(kube: KubeClient) -> tuple[Amounts, str]:
    """Return what all nodes offer to pods, or why nobody here knows."""
    try:
        nodes = await kube.list("/api/v1/nodes")
    except DeliveryError as error:
        return {}, f"which share of the nodes that is: {error.cause}"
    offer = {
        name: sum((quantity(str(node["status"]["allocatable"][name])) for node in nodes), Decimal(0))
        for name in RESOURCES
    }
    return (offer, "") if all(offer.values()) else ({}, "")


async def noted(kube: KubeClient, target: Target, result: StageResult) -> StageResult:
    """Return a rollout's result with what it changed in what a pod takes, if anything.

    Never an error: the rollout is what it is, whatever becomes of its price.
    """
    if result.status is not Status.SUCCEEDED:
        return result
    try:
        workload = await read_workload(kube, target)
        change = await changed(kube, target, workload) if workload else None
    except DeliveryError:
        return result
    if workload is None or change is None or not change.differs:
        return result
    count = workload.count.wanted
    return replace(
        result,
        summary=f"{result.summary}; {change_line(change, target.prices, count)}",
        outputs={**result.outputs, "resources": change_document(change, target.prices, count)},
    )
