"""A service's smoke test as a Kubernetes Job that asks the new pods alone, before the proof (R14)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from slipway_host import revision_job
from slipway_host.errors import HealthDegradedError, SmokeTestError
from slipway_host.job_manifest import DONE, Task, job_name, state
from slipway_host.results import StageResult, Status
from slipway_host.revision_job import RevisionJob

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Objects
    from slipway_host.progress import Report
    from slipway_host.revision_job import Revision
    from slipway_host.settings import SmokeSettings, Target
    from slipway_host.workload import Workload

STAGE = "smoke"


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
    workload, urls = await _SmokeTest.addresses(kube, target, revision, report)
    name = name_of(target, settings, revision.digest, workload)
    task = task_of(target, settings, revision.digest, urls)
    body = revision_job.body(target, name, task, run_id=run_id)
    return await _SmokeTest(kube, target, body, report).ask(revision, again=again)


async def passed(kube: KubeClient, target: Target, settings: SmokeSettings, *, digest: str) -> bool:
    """Say whether the revision that runs now has passed, so that `smoke` would run nothing.

    Args:
        kube: the cluster.
        target: the service.
        settings: its smoke test.
        digest: of the image; empty where that is yet to be built.
    """
    found = await revision_job.made_for(
        kube, target, digest, lambda now: name_of(target, settings, digest, now)
    )
    return found is not None and state(found) == DONE


def name_of(target: Target, settings: SmokeSettings, digest: str, workload: Workload) -> str:
    """Return the Job's name: the same for the same test of the same revision of the workload."""
    image, user = _image(target, settings, digest), str(settings.run_as_user)
    asked = [json.dumps(settings.env, sort_keys=True), *settings.secret_keys, settings.memory]
    work = [image, *settings.command, user, *asked, *revision_job.mark(workload, digest)]
    return job_name(target, STAGE, work)


def task_of(target: Target, settings: SmokeSettings, digest: str, urls: tuple[str, ...]) -> Task:
    """Return what the Job runs."""
    given = {"SMOKE_URL": urls[0], "SMOKE_URLS": " ".join(urls), **settings.env}
    secret = target.secrets.name
    # What a value refers to as $(SMOKE_URL) has to stand before it.
    env: Objects = [{"name": key, "value": value} for key, value in given.items()]
    env += [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for key in settings.secret_keys
    ]
    return Task(
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


def _image(target: Target, settings: SmokeSettings, digest: str) -> str:
    return settings.image or f"{target.repository}@{digest}"


class _SmokeTest(RevisionJob):
    stage = STAGE
    what = "smoke test Job"
    failed = HealthDegradedError
    broken = SmokeTestError
