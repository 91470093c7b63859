"""The links of a diagnosis that the cluster answers for: workload, pods, health and proof."""

from __future__ import annotations

import contextlib
import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

from slipway_host import gitops, health, job_manifest, load, pods, proof, rollout, smoke, troubles
from slipway_host.application import Holds
from slipway_host.diagnosis_case import BrokenLinkError, Unknown
from slipway_host.errors import AccessDeniedError, DeliveryError
from slipway_host.progress import silent
from slipway_host.remedies import remedy
from slipway_host.workload import read_workload, workload_path

if TYPE_CHECKING:
    from slipway_host.diagnosis_case import Case
    from slipway_host.pods import Json, Trouble

YOUNG_S = 20.0
"""Probes fail for a while after a container's start, and that means nothing yet."""


async def workload(case: Case) -> str:
    """Read the workload: it exists, asks for the image, and may have its pods."""
    target = case.target
    what = f"{target.workload_kind}/{target.workload_name}"
    found = await read_workload(case.kube, target)
    if found is None:
        raise await _no_workload(case, what)
    case.workload = found
    if not pods.carries(found.body["spec"]["template"], target, case.digest):
        raise BrokenLinkError(rollout.progress(found, target, case.digest).line, fix=case.call("sync"))
    if not found.observed:
        raise BrokenLinkError(
            f"{what} was changed, and its controller has not looked at it yet",
            fix=case.again,
            under_way=True,
        )
    for trouble in troubles.of_workload(found, target, case.digest):
        raise await _broken(case, trouble)
    if found.count.wanted == 0:
        raise BrokenLinkError(
            f"{what} is scaled to 0: there is nothing to run",
            fix=f"kubectl -n {target.namespace} scale {what.lower()} --replicas=1",
        )
    return f"{what} asks for {target.repository}:{target.tag}, {found.count.wanted} pods"


async def _no_workload(case: Case, what: str) -> BrokenLinkError:
    target = case.target
    others: list[str] = []
    # To know the neighbours is a help, and no right that a deploy needs.
    with contextlib.suppress(AccessDeniedError):
        others = [pods.name(one) for one in await case.kube.list(workload_path(target))]
    there = f": there is {', '.join(others[:5])}" if others else ""
    fix = case.call("sync")
    if len(others) == 1:
        fix = f"write services.{target.service}.workload.name: {others[0]} to slipway.yaml"
    return BrokenLinkError(
        f"{what} does not exist in namespace {target.namespace}, although Argo CD has applied the "
        f"branch{there}",
        fix=fix,
    )


async def running(case: Case) -> str:
    """Look at every pod of the new revision: each is ready, or says why not."""
    found, target = case.workload, case.target
    ours = {pods.name(pod): pod for pod in troubles.new_pods(found, target, case.digest)}
    for pod in ours.values():
        trouble = pods.trouble(pod)
        if trouble:
            raise await _broken(case, trouble, pod)
    for trouble in await troubles.silent_ones(case.kube, target, found, case.digest):
        pod = ours[trouble.key[0]]
        raise await _broken(case, trouble, pod, under_way=_young(pod))
    gave_up = troubles.gave_up(found, target)
    if gave_up:
        raise await _broken(case, gave_up)
    progress = rollout.progress(found, target, case.digest)
    if not progress.complete:
        states = "; ".join(f"{name}: {pods.state(pod)}" for name, pod in ours.items())
        fix = progress.next_command or case.again
        raise BrokenLinkError(progress.line, fix=fix, evidence=states, under_way=True)
    return progress.line


def _young(pod: Json) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    started = [one.get("state", {}).get("running", {}).get("startedAt") for one in statuses]
    ages = [dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(stamp) for stamp in started if stamp]
    return any(age.total_seconds() < YOUNG_S for age in ages)


async def _broken(
    case: Case, trouble: Trouble, pod: Json | None = None, *, under_way: bool = False
) -> BrokenLinkError:
    fix, found = await remedy(case, trouble, pod)
    said = await troubles.explained(case.kube, case.target, trouble, case.workload)
    evidence = "; ".join(filter(None, [found, said.removeprefix(trouble.cause).strip("; ")]))
    return BrokenLinkError(
        trouble.cause, fix=case.again if under_way else fix, evidence=evidence, under_way=under_way
    )


async def healthy(case: Case) -> str:
    """Ask every ready pod of the new revision once."""
    target = case.target
    ready = [pod for pod in troubles.new_pods(case.workload, target, case.digest) if pods.ready(pod)]
    answers = await health.ask(case.kube, target, [pods.name(pod) for pod in ready])
    bad = next((answer for answer in answers if not answer.healthy), None)
    if bad is None:
        return f"{len(answers)} pods answer {target.health_path} on port {target.health_port} with 2xx"
    containers = case.workload.body["spec"]["template"]["spec"]["containers"]
    ports = [p.get("containerPort") for one in containers for p in one.get("ports") or []]
    declared = ", ".join(map(str, ports))
    fix = case.call("logs", "--tail=50")
    if ports and target.health_port not in ports:
        fix = f"write services.{target.service}.health.port: {ports[0]} to slipway.yaml"
    elif bad.status == health.NOT_FOUND:
        fix = f"write the right services.{target.service}.health.path to slipway.yaml"
    raise BrokenLinkError(
        f"{target.health_path} on port {target.health_port} is not healthy: {bad}",
        fix=fix,
        evidence=f"the workload declares port {declared}" if ports else "",
    )


async def smoked(case: Case) -> str | Unknown | None:
    """Look at how the smoke test of this revision has ended; none is a link of its own."""
    settings, target = case.target.smoke, case.target
    if settings is None:
        return None
    name = smoke.name_of(target, settings, case.digest, case.workload)
    found = await case.kube.find(f"{job_manifest.collection(target)}/{name}")
    again = case.call("smoke")
    if found is None:
        # A day after its end, Kubernetes removes it.
        return Unknown(f"no Job {name}: the smoke test has not run since yesterday ({again})")
    state = job_manifest.state(found)
    if state == job_manifest.DONE:
        return f"Job {name} has passed"
    if state == job_manifest.FAILED:
        reason = job_manifest.failure(found)
        raise BrokenLinkError(
            f"smoke test Job {name} has failed: {reason}",
            fix=f"{again}, which runs it again and shows its log",
        )
    raise BrokenLinkError(f"smoke test Job {name} runs", fix=case.again, under_way=True)


async def loaded(case: Case) -> str | Unknown | None:
    """Look at what the load check of this revision has measured; none is a link of its own."""
    settings, target = case.target.load, case.target
    if settings is None:
        return None
    name = load.name_of(target, settings, case.digest, case.workload)
    found = await case.kube.find(f"{job_manifest.collection(target)}/{name}")
    again = case.call("load")
    if found and job_manifest.state(found) == job_manifest.RUNNING:
        raise BrokenLinkError(f"load check Job {name} runs", fix=case.again, under_way=True)
    figures = await load.figures_of(case.kube, target, settings, found) if found else None
    if figures is None or figures.unmeasured(settings):
        return Unknown(f"no figures of Job {name}: the load check has not measured since yesterday ({again})")
    over = figures.over(settings.budget)
    if over and settings.enforced:
        raise BrokenLinkError(
            f"load check Job {name} was over budget: {', '.join(over)}", fix=f"{again}, which measures again"
        )
    return f"{'over budget, which is only reported: ' if over else ''}{figures.summary}"


async def proven(case: Case) -> str:
    """Compare what every pod runs with the registry's digest, and read Argo CD's own health."""
    target, contains = case.target, partial(gitops.contains, case.git, case.branch_head)
    at = await Holds(case.branch_head, contains).one_of(case.app.revisions, silent)
    try:
        line = proof.missing(
            case.app,
            case.workload,
            target,
            digest=case.digest,
            manifests=case.manifests,
            commit=case.branch_head,
            synced=at,
        )
    except DeliveryError as error:
        raise BrokenLinkError(
            error.cause,
            fix=f"git commit --allow-empty --message 'A tag of its own' && {case.call('deploy')}",
        ) from error
    if line:
        raise BrokenLinkError(
            line,
            fix=case.app.command,
            evidence=case.app.unhealthy() or case.app.complaints(),
            under_way=case.app.health == "Progressing",
        )
    return f"Argo CD says Healthy, and every ready pod runs {case.digest}"
