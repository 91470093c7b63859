"""Ask the new pods themselves whether they serve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, waiting
from slipway_host.errors import AccessDeniedError, DeliveryError, HealthDegradedError, quote
from slipway_host.progress import within
from slipway_host.proof import image_id, runs
from slipway_host.results import StageResult, Status
from slipway_host.together import together
from slipway_host.workload import read_workload

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target
    from slipway_host.workload import Workload

POLL_S = 1.0
ANSWER_S = 5.0
"""For one answer: a health endpoint that takes longer fails Kubernetes' own probes too."""
EXCERPT = 200
_OK = range(200, 300)
NOT_FOUND = 404


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one pod said; `status` is 0 where it said nothing."""

    pod: str
    status: int
    excerpt: str

    @property
    def healthy(self) -> bool:
        """Whether the status is 2xx: a redirect is not an answer of this pod."""
        return self.status in _OK

    def __str__(self) -> str:
        said = f"HTTP {self.status}" if self.status else "no answer"
        return f"pod {self.pod}: {said}{': ' + self.excerpt if self.excerpt else ''}"


def candidates(
    workload: Workload | None, target: Target, digest: str, manifests: frozenset[str]
) -> list[Json]:
    """Return the ready pods that run our digest: an old pod's answer proves nothing (fault 90)."""
    found = workload.pods if workload else ()
    return [pod for pod in found if pods.ready(pod) and runs(pod, target, digest, manifests)]


def lives(ready: list[Json]) -> dict[str, int]:
    """Return each pod's restarts: a container that came back in between has failed in between."""
    return {
        pods.name(pod): sum(
            status.get("restartCount", 0) for status in pod["status"].get("containerStatuses", [])
        )
        for pod in ready
    }


def lost(before: dict[str, int], now: dict[str, int], there: set[str]) -> str:
    """Return what became worse since the last look, or nothing.

    A pod that is gone altogether was scaled away, which says nothing about the revision.
    """
    for pod, restarts in before.items():
        if pod in there and pod not in now:
            return f"pod {pod} is no longer ready"
        if now.get(pod, restarts) > restarts:
            return f"pod {pod} restarted"
    return ""


class _Health:
    """What a check remembers from one look to the next."""

    def __init__(
        self, kube: KubeClient, target: Target, digest: str, manifests: frozenset[str], report: Report
    ) -> None:
        self.kube, self.target, self.report = kube, target, report
        self.digest, self.manifests = digest, manifests
        self.line = "no pod was asked yet"
        self.pod = ""
        self.before: dict[str, int] = {}
        self.since: float | None = None
        self.answers: list[Answer] = []

    async def look(self) -> bool:
        """Ask every candidate once; return whether all have been healthy for long enough."""
        workload = await waiting.patiently(lambda: read_workload(self.kube, self.target), self.report)
        ready = candidates(workload, self.target, self.digest, self.manifests)
        now = lives(ready)
        there = {pods.name(pod) for pod in workload.pods if pods.alive(pod)} if workload else set()
        worse, self.before = lost(self.before, now, there), now
        self.answers = await ask(self.kube, self.target, list(now))
        bad = next((answer for answer in self.answers if not answer.healthy), None)
        if not self.answers:
            line = f"no ready pod runs {self.digest} ({self._others(workload)})"
        elif bad or worse:
            line = str(bad or worse)
            self.pod = bad.pod if bad else self.pod
        else:
            line = f"{len(self.answers)} pods answer {self.target.health_path} with 2xx"
        if line != self.line:
            self.line = line
            self.report(line)
        healthy = bool(self.answers) and not bad and not worse
        self.since = (self.since or anyio.current_time()) if healthy else None
        stable = self.target.health_stable_s
        return self.since is not None and anyio.current_time() - self.since >= stable

    def _others(self, workload: Workload | None) -> str:
        found = [pod for pod in workload.pods if pods.alive(pod)] if workload else []
        states = [
            f"{pods.name(pod)}: {pods.state(pod)}, {image_id(pod, self.target) or 'no image yet'}"
            for pod in found
        ]
        return quote("; ".join(states), limit=400) or "there are none"


async def ask(kube: KubeClient, target: Target, names: list[str]) -> list[Answer]:
    """Return each pod's answer, asked once and side by side.

    Raises:
        AccessDeniedError: the account may not use pods/proxy.
    """
    return await together(*(partial(_answer, kube, target, name) for name in names))


async def _answer(kube: KubeClient, target: Target, pod: str) -> Answer:
    # One deadline here as well: what waits for a thread is under nobody's deadline yet.
    with anyio.move_on_after(ANSWER_S + POLL_S):
        try:
            status, body = await kube.proxy_get(
                target.namespace, pod, target.health_port, target.health_path, deadline_s=ANSWER_S
            )
        except AccessDeniedError:
            raise
        except DeliveryError as error:
            # The pod may have gone since it was listed, or not listen yet: the next look tells.
            return Answer(pod=pod, status=0, excerpt=quote(error.cause, limit=EXCERPT))
        return Answer(pod=pod, status=status, excerpt=quote(body, limit=EXCERPT))
    return Answer(pod=pod, status=0, excerpt=f"nothing within {ANSWER_S:g} s")


async def check_health(
    kube: KubeClient,
    target: Target,
    *,
    digest: str,
    report: Report,
    deadline_s: float,
    manifests: frozenset[str] = frozenset(),
) -> StageResult:
    """Return once every ready pod of the new revision has answered 2xx for `health_stable_s`.

    The pods are asked one by one through the API server: a Service would also let old pods answer,
    and the runner need not be in the cluster. A restart in between starts the time anew (fault 91).

    Raises:
        HealthDegradedError: the time ran out first, with the last answer.
        AccessDeniedError: the account may not use pods/proxy.
    """
    check = _Health(kube, target, digest, manifests, report)
    within(deadline_s)
    with anyio.move_on_after(deadline_s) as scope:
        while not await check.look():
            stable_in = target.health_stable_s if check.since else POLL_S
            await anyio.sleep(min(POLL_S, max(stable_in, 0.05)))
    if scope.cancelled_caught:
        logs = f"logs {check.pod} --all-containers --tail=50" if check.pod else "get pods"
        raise HealthDegradedError(
            f"{target.health_path} on port {target.health_port} was not healthy within "
            f"{deadline_s:g} s: {check.line}",
            next_command=f"kubectl -n {target.namespace} {logs}",
        )
    return StageResult(
        stage="health",
        status=Status.SUCCEEDED,
        summary=check.line,
        outputs={"path": target.health_path, "pods": [answer.pod for answer in check.answers]},
    )
