"""A snapshot of what a service's pods measure of themselves (R17)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from slipway_host import pods
from slipway_host.caller import command
from slipway_host.errors import NotFoundError, TerminalError, quote
from slipway_host.scrub import printable
from slipway_host.together import together
from slipway_host.workload import read_workload

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.settings import Target

ANSWER_S = 10.0
LIMIT_BYTES = 4 * 1024 * 1024


async def snapshot(kube: KubeClient, target: Target, *, port: int, path: str, match: str = "") -> str:
    """Return the metrics of every ready pod, in Prometheus' text format.

    Args:
        kube: the cluster.
        target: the service.
        port: of the container.
        path: of the endpoint.
        match: only metrics whose name holds this.

    Raises:
        NotFoundError: no workload, or no ready pod.
        TerminalError: a pod does not answer with metrics.
    """
    workload = await read_workload(kube, target)
    ready = sorted(pods.name(pod) for pod in workload.pods if pods.ready(pod)) if workload else []
    if not ready:
        raise NotFoundError(
            f"{target.workload_kind}/{target.workload_name} has no ready pod in namespace {target.namespace}",
            next_command=command("status", f"--service={target.service}"),
        )

    async def ask(pod: str) -> str:
        status, body = await kube.proxy_get(
            target.namespace, pod, port, path, deadline_s=ANSWER_S, limit_bytes=LIMIT_BYTES
        )
        if status != 200:  # noqa: PLR2004 - what Prometheus itself takes
            raise TerminalError(
                f"pod {pod}: {path} on port {port} answers HTTP {status}: {quote(body, limit=200)}",
                next_command=f"set services.{target.service}.metrics in slipway.yaml",
            )
        return "\n".join([f"# pod {pod}", *chosen(body, match)])

    return "\n\n".join(await together(*(partial(ask, pod) for pod in ready)))


def chosen(body: str, match: str) -> list[str]:
    """Return the samples whose metric's name holds `match`, and their HELP and TYPE lines."""
    lines = []
    for line in body.splitlines():
        words = line.split(maxsplit=3)
        comment = bool(words) and words[0] == "#"
        if comment and (len(words) < 3 or words[1] not in {"HELP", "TYPE"}):  # noqa: PLR2004 - # TYPE name
            continue
        name = words[2] if comment else line.partition("{")[0].partition(" ")[0]
        if name and match in name:
            lines.append(printable(line))
    return lines
