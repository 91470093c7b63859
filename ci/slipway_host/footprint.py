"""What a pod reserves and may use at most, by the rules of Kubernetes' scheduler.

https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers and
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/ have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from slipway_host.errors import SettingsError
from slipway_host.quantities import cores, quantity, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESOURCES = ("cpu", "memory")
WRITTEN: dict[str, Callable[[Decimal], str]] = {"cpu": cores, "memory": size}
Amounts = dict[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of a pod.

    Args:
        name: its name.
        kind: `app`; `init`, which ends before the others begin; `sidecar`, an init container that stays.
        requests: of cpu in cores and of memory in bytes, as far as they are there. A limit without a
            request is one, too: that is what the API server makes of it.
        limits: the same.
    """

    name: str
    kind: str
    requests: Amounts
    limits: Amounts


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What one pod takes.

    Args:
        containers: all of them.
        requests: what the scheduler reserves; what asks for nothing adds nothing.
        limits: what it may use at most; a resource is absent where some container has no limit.
        unbounded: a sentence for each container that asks for nothing, or may take what there is.
    """

    containers: tuple[Container, ...]
    requests: Amounts
    limits: Amounts
    unbounded: tuple[str, ...]

    def line(self) -> str:
        """Return the requests: `cpu 250m, memory 128Mi`."""
        return ", ".join(f"{name} {WRITTEN[name](self.requests[name])}" for name in RESOURCES)

    def document(self) -> dict[str, Any]:
        """Return it as JSON values: cores and bytes as numbers, None for no limit."""
        return {
            "containers": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "requests": _numbers(one.requests),
                    "limits": _numbers(one.limits),
                }
                for one in self.containers
            ],
            "requests": _numbers(self.requests),
            "limits": _numbers(self.limits),
            "unbounded": list(self.unbounded),
        }


def _numbers(amounts: Amounts) -> dict[str, float | None]:
    return {name: float(amounts[name]) if name in amounts else None for name in RESOURCES}


def footprint(spec: dict[str, Any]) -> Footprint:
    """Return what a pod of this `spec` takes.

    Raises:
        SettingsError: a quantity in it is none.
    """
    try:
        containers = tuple(_containers(spec))
        whole = spec.get("resources") or {}
        overhead = _amounts(spec.get("overhead"))
        pod_requests, pod_limits = _amounts(whole.get("requests")), _amounts(whole.get("limits"))
    except ValueError as error:
        raise SettingsError(str(error)) from None
    requests, limits = {}, {}
    for name in RESOURCES:
        extra = overhead.get(name, Decimal(0))
        # What the pod asks for as a whole counts before what its containers ask for, and its limit after.
        asked = _sum(containers, name, "requests")
        if name in pod_limits and not any(name in one.requests for one in containers):
            asked = pod_limits[name]
        requests[name] = pod_requests.get(name, asked) + extra
        staying = [one for one in containers if one.kind != "init"]
        if name in pod_limits:
            limits[name] = pod_limits[name] + extra
        elif all(name in one.limits for one in staying):
            limits[name] = _sum(containers, name, "limits") + extra
    whole_names = pod_requests.keys() | pod_limits.keys()
    return Footprint(
        containers=containers,
        requests=requests,
        limits=limits,
        unbounded=tuple(_unbounded(containers, whole_names)),
    )


def _sum(containers: Sequence[Container], name: str, which: str) -> Decimal:
    """Return the effective amount: init containers run one by one, sidecars stay from their turn on."""
    highest, staying = Decimal(0), Decimal(0)
    for one in containers:
        amount: Decimal = getattr(one, which).get(name, Decimal(0))
        if one.kind == "init":
            highest = max(highest, staying + amount)
        else:
            staying += amount
    return max(highest, staying)


def _containers(spec: dict[str, Any]) -> list[Container]:
    first = [
        _container(one, "sidecar" if one.get("restartPolicy") == "Always" else "init")
        for one in spec.get("initContainers") or []
    ]
    return [*first, *(_container(one, "app") for one in spec["containers"])]


def _container(one: dict[str, Any], kind: str) -> Container:
    resources = one.get("resources") or {}
    limits = _amounts(resources.get("limits"))
    requests = {**limits, **_amounts(resources.get("requests"))}
    return Container(name=str(one["name"]), kind=kind, requests=requests, limits=limits)


def _amounts(written: dict[str, Any] | None) -> Amounts:
    # JSON may have a plain number where a quantity is meant.
    return {name: quantity(str(written[name])) for name in RESOURCES if written and name in written}


def _unbounded(containers: Sequence[Container], whole: set[str]) -> list[str]:
    found = []
    for one in containers:
        missing = [name for name in RESOURCES if name not in one.requests and name not in whole]
        if missing:
            what = " and no ".join(missing)
            found.append(f"container {one.name} requests no {what}, and takes what the node has left")
    return found
