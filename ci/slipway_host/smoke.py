"""A service's smoke test as a Kubernetes Job that asks the new pods alone, before the proof (R14)."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, waiting
from slipway_host.errors import (
    DeadlineError,
    DeliveryError,
    HealthDegradedError,
    SmokeTestError,
    SupersededError,
)
from slipway_host.health import candidates
from slipway_host.job_manifest import DONE, Task, collection, job_name, manifest, state
from slipway_host.job_run import JobRun
from slipway_host.results import StageResult, Status
from slipway_host.troubles import new_pods
from slipway_host.workload import read_workload, revision_number

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json, Objects
    from slipway_host.progress import Report
    from slipway_host.settings import SmokeSettings, Target
    from slipway_host.workload import Workload

STAGE = "smoke"
OWNER = "slipway.dev/run"
"""Annotation: the run that made the Job, and takes it away where it is cancelled."""
ANSWER_S = 20.0
"""Kubernetes has this long for what is asked of it besides the Job itself."""


@dataclass(frozen=True)
class Revision:
    """The image that is tested.

    Args:
        digest: what was pushed, an image's or an index's.
        manifests: the manifests that are in it, where it is an index.
    """

    digest: str
    manifests: frozenset[str] = frozenset()


async def smoke(
    kube: KubeClient, target: Target, revision: Revision, *, run_id: str, report: Report, again: bool = False
) -> StageResult:
    """Run the service's smoke test against the ready pods of the new revision, and report its log.

    A Job that has passed for this revision of the workload is not run again, unless `again`. A run that is
    cancelled takes its Job away.

    Raises:
        HealthDegradedError: the test failed, with its last words; or no pod is there to be tested.
        DeadlineError: it took longer than `timeoutS`.
        SmokeTestError: it could not run, which says nothing about the revision.
        SupersededError: it failed, and a newer deploy had replaced what it tested.
    """
    settings = target.smoke
    if settings is None:
        return StageResult(stage=STAGE, status=Status.SKIPPED, summary="no smoke test is configured")
    workload = await _workload(kube, target, report)
    urls = _urls(workload, target, revision)
    if workload is None or not urls:
        raise HealthDegradedError(
            f"no ready pod of the new revision runs {revision.digest}",
            stage=STAGE,
            next_command=f"kubectl -n {target.namespace} get pods",
        )
    body = job(target, settings, revision.digest, workload, urls)
    body["metadata"]["annotations"] = {OWNER: run_id}
    test = _SmokeTest(kube, target, body, report)
    try:
        if again and (found := await test.find()) and state(found) == DONE:
            await test.remove(found)
        return await test.run()
    except (HealthDegradedError, DeadlineError) as error:
        await _refuse_superseded(kube, target, revision, report, error)
        raise
    finally:
        await test.clear()


async def passed(kube: KubeClient, target: Target, settings: SmokeSettings, *, digest: str) -> bool:
    """Say whether the revision that runs now has passed, so that `smoke` would run nothing.

    Args:
        kube: the cluster.
        target: the service.
        settings: its smoke test.
        digest: of the image; empty where that is yet to be built.
    """
    workload = await read_workload(kube, target)
    if workload is None or not pods.carries(workload.body["spec"]["template"], target, digest):
        return False
    found = await kube.find(f"{collection(target)}/{name_of(target, settings, digest, workload)}")
    return found is not None and state(found) == DONE


def name_of(target: Target, settings: SmokeSettings, digest: str, workload: Workload) -> str:
    """Return the Job's name: the same for the same test of the same revision of the workload.

    An image that returns after another one is a new revision, and so is one with other settings.
    """
    meta = workload.body["metadata"]
    number = revision_number(workload.body) or meta["generation"]
    image, user = _image(target, settings, digest), str(settings.run_as_user)
    asked = [json.dumps(settings.env, sort_keys=True), *settings.secret_keys, settings.memory]
    work = [image, *settings.command, user, *asked, digest, str(meta["uid"]), str(number)]
    return job_name(target, STAGE, work)


def job(
    target: Target, settings: SmokeSettings, digest: str, workload: Workload, urls: tuple[str, ...]
) -> Json:
    """Return the Job to create."""
    given = {"SMOKE_URL": urls[0], "SMOKE_URLS": " ".join(urls), **settings.env}
    secret = target.secrets.name
    # What a value refers to as $(SMOKE_URL) has to stand before it.
    env: Objects = [{"name": key, "value": value} for key, value in given.items()]
    env += [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for key in settings.secret_keys
    ]
    task = Task(
        component=STAGE,
        image=_image(target, settings, digest),
        command=settings.command,
        timeout_s=settings.timeout_s,
        run_as_user=settings.run_as_user,
        environment={"env": env},
        # No limit of CPU: it would only slow the test down while the node idles.
        resources={
            "requests": {"cpu": "50m", "memory": settings.memory},
            "limits": {"memory": settings.memory},
        },
    )
    return manifest(target, name_of(target, settings, digest, workload), task)


def _image(target: Target, settings: SmokeSettings, digest: str) -> str:
    return settings.image or f"{target.repository}@{digest}"


def _urls(workload: Workload | None, target: Target, revision: Revision) -> tuple[str, ...]:
    """Return the addresses of the ready pods of the new revision: through a Service, old ones answer too."""
    if workload is None:
        return ()
    new = {pods.name(pod) for pod in new_pods(workload, target, revision.digest)}
    ready = candidates(workload, target, revision.digest, revision.manifests)
    addresses = [str(pod["status"].get("podIP", "")) for pod in ready if pods.name(pod) in new]
    hosts = [f"[{address}]" if ":" in address else address for address in addresses if address]
    return tuple(f"http://{host}:{target.health_port}" for host in sorted(hosts))


async def _workload(kube: KubeClient, target: Target, report: Report) -> Workload | None:
    with anyio.move_on_after(ANSWER_S):
        return await waiting.patiently(lambda: read_workload(kube, target), report)
    raise SmokeTestError(f"Kubernetes has not answered for {ANSWER_S:g} s", stage=STAGE)


async def _refuse_superseded(
    kube: KubeClient, target: Target, revision: Revision, report: Report, error: DeliveryError
) -> None:
    """Say so where a newer deploy has taken away what was tested: then the failure is no word about it."""
    workload = None
    with contextlib.suppress(SmokeTestError):
        workload = await _workload(kube, target, report)
    if workload and not pods.carries(workload.body["spec"]["template"], target, revision.digest):
        raise SupersededError(
            f"{error.cause}; another image has replaced {revision.digest} since", stage=STAGE
        ) from error


class _SmokeTest(JobRun):
    """The Job, which does not outlive a run that gives it up."""

    stage = STAGE
    what = "smoke test Job"
    failed = HealthDegradedError
    broken = SmokeTestError

    async def clear(self) -> None:
        """Remove the Job where this run has made it and nobody waits for its end any more."""
        if self.ended:
            return
        with (
            anyio.CancelScope(shield=True),
            anyio.move_on_after(ANSWER_S),
            contextlib.suppress(DeliveryError),
        ):
            found = await self.find()
            mine = self.body["metadata"]["annotations"]
            if found and found["metadata"].get("annotations", {}).get(OWNER) == mine[OWNER]:
                await self.remove(found)
