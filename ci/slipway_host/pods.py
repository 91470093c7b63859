"""What a workload's pods say about themselves.

Kubernetes reports one misery under several names (ErrImagePull and ImagePullBackOff take turns), so
what is read here is what a person would call it. All of it are pure functions of JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host.errors import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway_host.settings import Target

Json = dict[str, Any]

CRASHES = 2
"""Failed restarts that are a crash loop before the kubelet calls it one (fault 85)."""

MISSING = "the registry has no such tag or digest"
UNREACHED = "the node does not reach the registry"
# In order: "pull access denied, repository does not exist" is about rights first (fault 86).
DENIED = "the registry refuses the node's credentials, or the repository does not exist"
DENIED_GRACE_S = 20.0
"""A kubelet may pull without a pull secret that it has not seen yet ("failed to sync secret cache"), and
tries again 10 to 15 seconds later, a busy one after that: longer than other failed pulls are given. It says
so in an event."""
NO_PULL_SECRET = "FailedToRetrieveImagePullSecret"  # noqa: S105 - the event's reason
_PULL_CAUSES = (
    (r"\b429\b|toomanyrequests|rate limit", "the registry limits the rate of pulls"),
    (
        r"\b40[13]\b|unauthorized|forbidden|denied|authentication|no basic auth|insufficient_scope",
        DENIED,
    ),
    (r"not found|manifest unknown|name unknown", MISSING),
    (
        r"dial tcp|connection re|no such host|time(d )?out|x509|\btls\b|\bEOF\b|\b5\d\d\b|HTTPS",
        UNREACHED,
    ),
)
_REFUSALS = {
    "ErrImageNeverPull": "has an image that is not on the node, and may not pull it",
    "InvalidImageName": "has an image name that is none",
    "CreateContainerConfigError": "asks for configuration that is not there",
    "CreateContainerError": "cannot be created",
    "RunContainerError": "cannot be started",
}


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image reference in its parts; `repository` always with its registry's host."""

    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, reference: str) -> Image:
        """Take `[host/]path[:tag][@digest]` apart; Docker Hub's short forms are written out."""
        name, _, digest = reference.rpartition("://")[2].partition("@")
        head, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:  # the colon belongs to the registry's port
            head, tag = name, ""
        host, slash, path = head.partition("/")
        if not slash:
            head = f"docker.io/library/{head}"
        elif not (set(host) & set(".:")) and host != "localhost":
            head = f"docker.io/{head}"
        elif host == "index.docker.io":
            head = f"docker.io/{path}"
        return cls(repository=head, tag=tag, digest=digest)


def images(template: Json, target: Target) -> list[Image]:
    """Return the images that a pod (template) takes from the service's repository."""
    ours = Image.parse(target.repository).repository
    containers = template.get("spec", {}).get("containers", [])
    found = [Image.parse(container.get("image", "")) for container in containers]
    return [image for image in found if image.repository == ours]


def carries(template: Json, target: Target, digest: str) -> bool:
    """Say whether a pod template asks for our image: by digest if it names one, else by tag."""
    found = images(template, target)
    return bool(found) and all(
        image.digest == digest if image.digest else image.tag == target.tag for image in found
    )


def name(pod: Json) -> str:
    """Return the object's name."""
    return str(pod["metadata"]["name"])


def alive(pod: Json) -> bool:
    """Say whether the pod is meant to serve: neither on its way out nor at its end."""
    ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
    return not ended and "deletionTimestamp" not in pod["metadata"]


def condition(body: Json, kind: str) -> Json:
    """Return one condition of an object's status; empty where there is none."""
    for item in body.get("status", {}).get("conditions", []):
        if item.get("type") == kind:
            return dict(item)
    return {}


def ready(pod: Json) -> bool:
    """Say whether the pod takes traffic."""
    return alive(pod) and condition(pod, "Ready").get("status") == "True"


def state(pod: Json) -> str:
    """Return Pending, Running, Ready or Terminating, with Kubernetes' reason if any (R13)."""
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    if ready(pod):
        return "Ready"
    status = pod.get("status", {})
    waiting = [item.get("state", {}).get("waiting", {}) for _, item in _statuses(pod)]
    reasons = (item.get("reason", "") for item in waiting)
    reason = next(filter(None, reasons), status.get("reason", ""))
    phase = status.get("phase", "Unknown")
    return f"{phase} ({reason})" if reason else str(phase)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why a pod will not become ready by waiting.

    Args:
        key: the same for as long as it is the same trouble, whatever Kubernetes calls it meanwhile.
        reason: Kubernetes' word for it.
        cause: one line that names pod, container and what is wrong.
        next_command: what shows more of it.
        container: whose log has the pod's own words; empty where no container ever started.
        certain: False where the cluster may still get over it by itself within seconds.
        grace_s: seconds that it is given beyond the usual ones.
    """

    key: tuple[str, str]
    reason: str
    cause: str
    next_command: str
    container: str = ""
    certain: bool = False
    grace_s: float = 0


def trouble(pod: Json) -> Trouble | None:
    """Return what keeps a pod from becoming ready, or None (faults 85, 86, 88)."""
    if not alive(pod) or ready(pod):
        return None
    scheduled = condition(pod, "PodScheduled")
    # A volume that is still being made also reads as Unschedulable, and resolves itself.
    if scheduled.get("reason") == "Unschedulable" and "PersistentVolumeClaim" not in scheduled.get(
        "message", ""
    ):
        return Trouble(
            key=(name(pod), "scheduler"),
            reason="Unschedulable",
            cause=f"pod {name(pod)} fits on no node: {quote(scheduled.get('message', ''))}",
            next_command=_describe(pod),
        )
    for kind, status in _statuses(pod):
        found = _crash(pod, kind, status) or _refused(pod, kind, status)
        if found:
            return found
    return None


def _describe(pod: Json) -> str:
    return f"kubectl -n {pod['metadata']['namespace']} describe pod {name(pod)}"


def _statuses(pod: Json) -> Iterator[tuple[str, Json]]:
    for field, kind in (
        ("initContainerStatuses", "init container"),
        ("containerStatuses", "container"),
    ):
        for status in pod.get("status", {}).get(field, []):
            yield kind, status


def _crash(pod: Json, kind: str, status: Json) -> Trouble | None:
    waiting = status.get("state", {}).get("waiting", {}).get("reason", "")
    last = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated") or {}
    code, restarts = last.get("exitCode", 0), status.get("restartCount", 0)
    looping = restarts >= CRASHES and code != 0 and not status.get("ready")
    if waiting != "CrashLoopBackOff" and not looping:
        return None
    why = last.get("reason", "")
    said = f" ({why})" if why not in {"", "Error", "Completed"} else ""
    return Trouble(
        key=(name(pod), status["name"]),
        reason="CrashLoopBackOff",
        cause=f"{kind} {status['name']} of pod {name(pod)} crashes: exit code {code}{said}, "
        f"restarted {restarts} times",
        next_command=f"kubectl -n {pod['metadata']['namespace']} logs {name(pod)} "
        f"-c {status['name']} --previous",
        container=status["name"],
        certain=True,
    )


def _refused(pod: Json, kind: str, status: Json) -> Trouble | None:
    waiting = status.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in {"ErrImagePull", "ImagePullBackOff"}:
        what = f"cannot pull its image: {pull_cause(message)}"
    elif reason in _REFUSALS:
        what = _REFUSALS[reason]
    else:
        return None
    image = quote(str(status.get("image", "")), limit=200)
    return Trouble(
        key=(name(pod), status["name"]),
        reason=reason,
        cause=f"{kind} {status['name']} of pod {name(pod)} {what} "
        f"({reason}, image {image}): {quote(message)}",
        next_command=_describe(pod),
        certain=reason in {"ErrImageNeverPull", "InvalidImageName"},
        grace_s=DENIED_GRACE_S if DENIED in what else 0,
    )


def pull_cause(message: str) -> str:
    """Tell a missing tag from missing rights and from a registry that is down (fault 86)."""
    # Image references and addresses may hold any of the words.
    text = re.sub(r'"[^"]*"|\S*/\S*', "", message)
    for pattern, cause in _PULL_CAUSES:
        if re.search(pattern, text, re.IGNORECASE):
            return cause
    return "the kubelet gives no cause"
