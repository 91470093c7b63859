"""Wait until the workload's own controller says that the new pods serve; fail once they cannot.

Argo CD calls an application Progressing for as long as Kubernetes tries, and that is ten minutes.
The reason is in the pods within seconds (faults 85 to 88).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, progressive, troubles, waiting
from slipway_host.errors import (
    DeadlineError,
    RolloutFailedError,
    RolloutPausedError,
    quote,
)
from slipway_host.progress import within
from slipway_host.results import StageResult, Status
from slipway_host.workload import ROLLOUT, Workload, read_workload, watched_workload

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Trouble
    from slipway_host.progress import Report
    from slipway_host.settings import Target
    from slipway_host.waiting import Changes


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a rollout has come.

    Args:
        complete: every pod is ours, and available.
        line: for people.
        paused: it waits on purpose.
        next_command: what leads it on, where it waits for a person.
    """

    complete: bool
    line: str
    paused: bool = False
    next_command: str = ""


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
    done = f"all {count.wanted} pods are updated and available"
    if target.workload_kind == ROLLOUT:
        return _step(workload, target, f"{what}: ", done)
    status = body.get("status", {})
    revision = status.get("updateRevision")  # StatefulSets only
    waits = [
        (not workload.observed, "its controller has not seen the change yet"),
        (count.updated < count.wanted, f"{count.updated} of {count.wanted} pods updated"),
        (count.old > 0, f"{count.old} old pods are still there"),
        (
            count.available < count.wanted or count.unavailable > 0,
            f"{count.available} of {count.wanted} new pods available",
        ),
        (status.get("currentRevision") != revision, f"revision {revision} is not current yet"),
    ]
    line = next((line for waits_on, line in waits if waits_on), "")
    return Progress(complete=not line, line=f"{what}: {line or done}")


def _step(workload: Workload, target: Target, what: str, done: str) -> Progress:
    step = progressive.step(workload)
    if not step.line:
        return Progress(complete=True, line=f"{what}fully promoted, {done}")
    go_on = progressive.promotion(target) if step.by_hand else ""
    line = f"{what}{step.line}{': ' if go_on else ''}{go_on}"
    return Progress(complete=False, line=line, paused=step.paused, next_command=go_on)


def _warn(workload: Workload | None, target: Target, deadline_s: float, report: Report) -> None:
    if (
        workload is None
        or target.workload_kind != ROLLOUT
        or not workload.body.get("status", {}).get("stableRS")
    ):
        return  # a first version has no steps to walk through
    pauses_s = progressive.pauses_s(workload.body)
    if pauses_s >= deadline_s:
        report(
            f"WARNING: the pauses of {ROLLOUT}/{target.workload_name} take {pauses_s:g} s, and it has "
            f"{deadline_s:g} s: raise {_key(target)}"
        )


def _key(target: Target) -> str:
    return f"services.{target.service}.workload.deadlineS"


def _paused(seen: Progress, target: Target, deadline_s: float) -> RolloutPausedError:
    return RolloutPausedError(
        f"{seen.line} ({_key(target)} of {deadline_s:g} s is over); the stable version serves, too, and the "
        "new one is neither given up nor proven",
        next_command=seen.next_command or f"raise {_key(target)} beyond its pauses, and deploy again",
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
        """Leave its grace to a refused pull only where the kubelet pulled without the pull secret.

        A key that was missing, and is there by now, has one as well.
        """
        for key, trouble in list(self.troubles.items()):
            if await troubles.made_since(self.kube, self.target, trouble):
                self.troubles[key] = replace(trouble, grace_s=troubles.KUBELET_S)
            elif trouble.grace_s and not await troubles.without_pull_secret(self.kube, self.target, key[0]):
                self.troubles[key] = replace(trouble, grace_s=0)

    def _note(self, workload: Workload | None) -> None:
        ours = troubles.new_pods(workload, self.target, self.digest) if workload else []
        states = {pods.name(pod): pods.state(pod) for pod in ours}
        for name, state in states.items():
            if self.states.get(name) != state:
                self.report(f"pod {name}: {state}")
        self.states = states
        now = anyio.current_time()
        found = {t.key: t for t in troubles.troubles(workload, self.target, self.digest)} if workload else {}
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
        RolloutPausedError: the time ran out in a pause of a Rollout.
        DeadlineError: it ran out otherwise, with the last state of the workload and its pods.
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

    within(deadline_s)
    with anyio.move_on_after(deadline_s):
        first = await waiting.patiently(lambda: read_workload(kube, target), report)
        _warn(first, target, deadline_s, report)
        await waiting.watching(waiting.in_cluster(kube, watched_workload(target, first)), loop, report)
    if fatal:
        cause = await troubles.explained(kube, target, fatal, workload)
        raise RolloutFailedError(cause, next_command=fatal.next_command)
    if not seen.complete or workload is None:
        states = "; ".join(f"pod {name}: {state}" for name, state in wait.states.items())
        if seen.paused and not wait.troubles:
            raise _paused(seen, target, deadline_s)
        found = list(wait.troubles.values()) or await troubles.silent_ones(kube, target, workload, digest)
        trouble = "; ".join(item.cause for item in found)
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
        outputs={"pods": [pods.name(pod) for pod in troubles.new_pods(workload, target, digest)]},
    )
