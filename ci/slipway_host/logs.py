"""What a service's containers say: the end of their logs, or what comes from now on (R17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods
from slipway_host.errors import DeliveryError, NotFoundError
from slipway_host.scrub import parts, printable, scrubbed
from slipway_host.workload import read_workload

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target

LIMIT_BYTES = 256 * 1024
"""Of each container: what a terminal is still readable with (fault 100)."""
POLL_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Source:
    """One container of one pod."""

    pod: str
    container: str
    restarts: int
    label: str


def sources(found: list[Json], container: str = "") -> list[Source]:
    """Return the containers that have a log, in the order of their pods' names.

    Args:
        found: pods.
        container: only those of this name.
    """
    result = []
    for pod in sorted(found, key=pods.name):
        status = pod.get("status", {})
        started = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
        alone = len(started) == 1
        for one in started:
            state = one.get("state", {})
            if (container and one["name"] != container) or (
                # It has never run: a log of it would be an error, and its pod's state says more.
                "waiting" in state and not one.get("restartCount", 0) and not one.get("lastState")
            ):
                continue
            label = pods.name(pod) if alone else f"{pods.name(pod)}/{one['name']}"
            result.append(
                Source(
                    pod=pods.name(pod),
                    container=one["name"],
                    restarts=one.get("restartCount", 0),
                    label=label,
                )
            )
    return result


async def _sources(kube: KubeClient, target: Target, container: str) -> list[Source]:
    workload = await read_workload(kube, target)
    what = f"{target.workload_kind}/{target.workload_name}"
    if workload is None:
        raise NotFoundError(
            f"{what} does not exist in namespace {target.namespace}",
            next_command=f"kubectl -n {target.namespace} get {target.workload_kind.lower()}s",
        )
    if container and container not in (names := _containers(workload.body)):
        raise NotFoundError(f"{what} has no container {container[:80]!r}: there are {', '.join(names)}")
    return sources(list(workload.pods), container)


def _containers(body: Json) -> list[str]:
    spec = body["spec"]["template"]["spec"]
    return [one["name"] for one in spec.get("initContainers", []) + spec["containers"]]


async def tail(
    kube: KubeClient, target: Target, *, lines: int, previous: bool = False, container: str = ""
) -> str:
    """Return the last lines of every container, each behind its pod's name.

    Args:
        kube: the cluster.
        target: the service.
        lines: of each container at most.
        previous: of the containers before their last restart; those that never restarted have none.
        container: only those of this name.

    Raises:
        NotFoundError: no such workload or container.
    """
    told: list[str] = []
    for source in await _sources(kube, target, container):
        if previous and not source.restarts:
            continue
        try:
            text = await kube.pod_log(
                target.namespace,
                source.pod,
                source.container,
                previous=previous,
                lines=lines,
                limit_bytes=LIMIT_BYTES,
            )
        except NotFoundError as error:
            told.append(f"{source.label}: has gone meanwhile ({error.cause})")
            continue
        told += _lines(text, source, target) or [f"{source.label}: has said nothing"]
    if told:
        return "\n".join(told)
    return "no container was ever restarted" if previous else "no container has started yet"


def _lines(text: str, source: Source, target: Target) -> list[str]:
    clean = scrubbed(text, parts(value.get_secret_value() for value in target.secrets.given.values()))
    return [f"{source.label}: {printable(line)}" for line in clean.splitlines()]


async def follow(
    kube: KubeClient, target: Target, *, seconds: float, report: Report, container: str = ""
) -> int:
    """Report each new line of every container for some seconds, and return how many there were.

    Pods that come and go meanwhile are followed as well. The log is asked for again and again: an
    open stream ends with its pod, and its loss would look like silence.

    Raises:
        NotFoundError: no such workload or container.
    """
    follower = _Follower(kube, target, report)
    for source in await _sources(kube, target, container):
        await follower.skip(source)
    with anyio.move_on_after(seconds):
        while True:
            await anyio.sleep(POLL_S)
            for source in await _sources(kube, target, container):
                await follower.read(source)
    return follower.count


class _Follower:
    """Remembers for each container which line was the last one."""

    def __init__(self, kube: KubeClient, target: Target, report: Report) -> None:
        self.kube, self.target, self.report = kube, target, report
        self.count = 0
        self._last: dict[tuple[str, str], str] = {}

    async def skip(self, source: Source) -> None:
        """Take what is there already as read."""
        await self._new(source)

    async def read(self, source: Source) -> None:
        """Report what is new."""
        for line in await self._new(source):
            self.report(line)
            self.count += 1

    async def _new(self, source: Source) -> list[str]:
        key = (source.pod, source.container)
        last = self._last.get(key, "")
        try:
            text = await self.kube.pod_log(
                self.target.namespace,
                source.pod,
                source.container,
                since=last,
                timestamps=True,
                limit_bytes=LIMIT_BYTES,
            )
        except DeliveryError:
            # A pod on its way out or in: the next look tells, or the pod is no longer there.
            return []
        fresh = []
        for line in text.splitlines():
            # The server takes whole seconds: what was read of the same second comes again.
            stamp, _, words = line.partition(" ")
            if stamp > last:
                fresh.append(words)
                self._last[key] = max(self._last.get(key, ""), stamp)
        return _lines("\n".join(fresh), source, self.target) if fresh else []
