"""What Argo Rollouts says of a Rollout: its steps, pauses and analyses, in its own words (R24).

All that tells how far it is stands in the Rollout's own status
(https://argo-rollouts.readthedocs.io/en/stable/features/specification/); an AnalysisRun is read only where
its measurements explain a failure.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods
from slipway_host.caller import command
from slipway_host.errors import AccessDeniedError, TransientError, quote
from slipway_host.scrub import scrubbed
from slipway_host.workload import GROUPS, HASH, ROLLOUT, owned

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json, Trouble
    from slipway_host.settings import Target
    from slipway_host.workload import Workload

STRATEGIES = {"canary": "canary", "blueGreen": "blue-green"}
_PAUSES = {
    "CanaryPauseStep": "paused by its step",
    "BlueGreenPause": "paused before the new pods get the traffic",
    "InconclusiveAnalysisRun": "paused, since an analysis is inconclusive",
    "InconclusiveExperiment": "paused, since an experiment is inconclusive",
}
_ANALYSES = (
    ("canary", "currentStepAnalysisRunStatus", "analysis"),
    ("canary", "currentBackgroundAnalysisRunStatus", "background analysis"),
    ("blueGreen", "prePromotionAnalysisRunStatus", "analysis before promotion"),
    ("blueGreen", "postPromotionAnalysisRunStatus", "analysis after promotion"),
)
"""Where the status names AnalysisRuns, and what each is for."""
_FAILED = {"Failed", "Error", "Inconclusive"}
_UNITS = {"s": 1, "m": 60, "h": 3600}
ABORTED = "RolloutAborted"
"""The controller's own reason where it has given a version up."""
SHOWN = 300
"""Characters of a measurement's value or message: a web page may answer with a whole document."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where a Rollout is.

    Args:
        line: what it does now; empty where the new version is fully promoted.
        paused: it waits on purpose, for a time or for a person.
        by_hand: it goes on only once a person says so.
    """

    line: str
    paused: bool = False
    by_hand: bool = False


def step(workload: Workload) -> Step:
    """Return where the Rollout is, for the change that its controller has seen last."""
    body, status = workload.body, workload.body.get("status", {})
    if not workload.observed:
        return Step(line="its controller has not seen the change yet")
    if _promoted(workload):
        return Step(line="")
    if status.get("abort"):
        return Step(line="aborted")
    count = workload.count
    running = [
        f"{what} {run['name']} is {run.get('status') or 'Pending'}"
        for part, field, what in _ANALYSES
        if (run := status.get(part, {}).get(field)) and run.get("status") != "Successful"
    ]
    now, by_hand = _now(body)
    if running and not status.get("pauseConditions"):
        now = ""  # the controller's message is about pods, and it is not them that it waits for
    said = f"{count.updated} of {count.wanted} new pods, {count.old} old"
    paused = by_hand or bool(status.get("pauseConditions"))
    line = ", ".join(filter(None, [_place(body), now, *running, said]))
    return Step(line=line, paused=paused, by_hand=by_hand)


def _promoted(workload: Workload) -> bool:
    """Whether the new version is all there is: the controller's own word, and what the word is based on."""
    status = workload.body.get("status", {})
    new = [
        item
        for item in workload.replica_sets
        if item["metadata"].get("labels", {}).get(HASH) == _hash(status)
    ]
    count, available = workload.count, sum(item.get("status", {}).get("availableReplicas", 0) for item in new)
    return bool(
        status.get("phase") == "Healthy"
        and _hash(status)
        and status.get("stableRS") == _hash(status)
        and count.updated >= count.wanted
        and available >= count.wanted
    )


def _hash(status: Json) -> str:
    return str(status.get("currentPodHash", ""))


def pauses_s(body: Json) -> float:
    """Return the seconds that a new version is kept waiting by the pauses that end by themselves."""
    strategy = body["spec"].get("strategy", {})
    steps = (strategy.get("canary") or {}).get("steps") or []
    lasting = [(one.get("pause") or {}).get("duration") for one in steps]
    blue_green = (strategy.get("blueGreen") or {}).get("autoPromotionSeconds") or 0
    return sum(seconds(one) for one in lasting if one is not None) + blue_green


def _place(body: Json) -> str:
    """Return which step of how many it is at, for a canary that has steps."""
    steps = (body["spec"].get("strategy", {}).get("canary") or {}).get("steps") or []
    index = body.get("status", {}).get("currentStepIndex")
    if not steps or index is None:
        return ""
    if index >= len(steps):
        return f"all {len(steps)} steps are done"
    return f"step {index + 1} of {len(steps)} ({described(steps[index])})"


def described(one: Json) -> str:
    """Return a canary's step as its manifest has it, like `setWeight: 20`."""
    kind = next(iter(one), "")
    value = one.get(kind)
    if kind == "pause":
        duration = (value or {}).get("duration")
        return f"pause: {seconds(duration):g}s" if duration is not None else "pause"
    if isinstance(value, dict):
        return f"{kind}: {value['name']}" if "name" in value else kind
    return f"{kind}: {value}" if value is not None else kind


def seconds(duration: str | int) -> float:
    """Return a step's duration in seconds: a number, or one with s, m or h."""
    text = str(duration)
    unit = _UNITS.get(text[-1:])
    return float(text[:-1]) * unit if unit else float(text)


def _now(body: Json) -> tuple[str, bool]:
    """Return what the controller does or waits for, and whether it waits for a person."""
    status, spec = body.get("status", {}), body["spec"]
    if spec.get("paused"):
        return "paused by hand (spec.paused)", True
    for pause in status.get("pauseConditions") or []:
        reason = str(pause.get("reason"))
        lasts = _lasts(body, reason)
        said = _PAUSES.get(reason, f"paused ({reason})")
        if lasts is None:
            return f"{said} until it is promoted", True
        since = dt.datetime.fromisoformat(pause["startTime"])
        return f"{said} until {since + dt.timedelta(seconds=lasts):%H:%M:%S} UTC", False
    if status.get("phase") == "Paused":
        return "it goes on from its pause", False
    return quote(scrubbed(str(status.get("message") or status.get("phase") or "")), limit=SHOWN), False


def _lasts(body: Json, reason: str) -> float | None:
    """Return how many seconds a pause lasts; None for one that a person ends."""
    strategy, status = body["spec"].get("strategy", {}), body.get("status", {})
    if reason == "CanaryPauseStep":
        steps = (strategy.get("canary") or {}).get("steps") or []
        index = status.get("currentStepIndex") or 0
        duration = (steps[index].get("pause") or {}).get("duration") if index < len(steps) else None
        return None if duration is None else seconds(duration)
    blue_green = strategy.get("blueGreen") or {}
    if reason == "BlueGreenPause" and blue_green.get("autoPromotionEnabled", True):
        return float(blue_green.get("autoPromotionSeconds") or 0) or None
    return None


def promotion(target: Target) -> str:
    """Return the command that leads a paused Rollout on."""
    return command("promote", f"--service={target.service}")


def retry(target: Target) -> str:
    """Return the command that begins anew with a version that was aborted."""
    return f"kubectl argo rollouts -n {target.namespace} retry rollout {target.workload_name}"


def gave_up(workload: Workload, target: Target) -> Trouble | None:
    """Return the controller's word that it does not lead the new version on; None where it still does.

    An abort is certain: the controller has already turned all traffic back to the stable version. Other
    reasons are left over from an earlier change for a moment.
    """
    status = workload.body.get("status", {})
    if not workload.observed or status.get("phase") != "Degraded":
        return None
    what, said = f"{ROLLOUT}/{target.workload_name}", quote(scrubbed(str(status.get("message", ""))))
    aborted = bool(status.get("abort"))
    if not aborted and said.startswith(ABORTED):
        return None  # of the version before: the controller has begun anew, and its conditions follow
    cause = f"{what} was aborted, and its stable version serves on: {said}" if aborted else f"{what}: {said}"
    back = command("rollback", f"--service={target.service}")
    return pods.Trouble(
        key=(target.workload_name, "Aborted" if aborted else "Degraded"),
        reason=ABORTED if aborted else "Degraded",
        cause=cause,
        next_command=f"{back}; or, once the cause is gone, {retry(target)}"
        if aborted
        else f"kubectl -n {target.namespace} describe rollout {target.workload_name}",
        certain=aborted,
    )


async def measured(kube: KubeClient, target: Target, workload: Workload) -> str:
    """Return what the failed analysis of the new version has measured; empty where there is none."""
    path = f"/apis/{GROUPS[ROLLOUT]}/namespaces/{target.namespace}/analysisruns"
    selector = f"{HASH}={_hash(workload.body.get('status', {}))}"
    found: list[Json] = []
    # The rollout has failed either way: this is worth a few seconds, and no second error.
    with anyio.move_on_after(10):
        try:
            found = await kube.list(path, selector=selector)
        except (AccessDeniedError, TransientError) as error:
            return f"its analyses cannot be read: {error.cause}"
    ours = owned(found, {workload.body["metadata"]["uid"]})
    # Of a version that was tried before, earlier ones are still there.
    ours = tuple(sorted(ours, key=lambda run: str(run["metadata"].get("creationTimestamp"))))
    said = [words for run in ours if (words := _words(run))]
    return said[-1] if said else ""


def _words(run: Json) -> str:
    """Return a failed AnalysisRun's metrics, each with its last measurement."""
    status = run.get("status", {})
    if status.get("phase") not in _FAILED:
        return ""
    words = []
    for metric in status.get("metricResults") or []:
        if metric.get("phase") not in _FAILED:
            continue
        last = (metric.get("measurements") or [{}])[-1]
        told = [f"value {quote(scrubbed(str(last['value'])), limit=SHOWN)}" if last.get("value") else ""]
        told.append(quote(scrubbed(str(last.get("message") or metric.get("message") or "")), limit=SHOWN))
        words.append(": ".join([f"metric {metric['name']} {metric['phase']}", ", ".join(filter(None, told))]))
    said = "; ".join(word.removesuffix(": ") for word in words)
    return f"AnalysisRun {pods.name(run)} {status['phase']}: {said or quote(str(status.get('message', '')))}"
