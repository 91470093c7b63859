"""A service's migration as a Kubernetes Job, before anything of the new version serves (R9).

A run that is cancelled leaves the Job to its end, since half a migration is worse than a whole one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.errors import MigrationFailedError
from slipway_host.job_manifest import DONE, RUNNING, Task, collection, job_name, manifest, state
from slipway_host.job_run import JobRun
from slipway_host.migration_turn import COMPONENT, Turns
from slipway_host.plan import MigrationPlan
from slipway_host.results import StageResult, Status

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.progress import Report
    from slipway_host.settings import MigrationSettings, Target

STAGE = "migrate"


async def migrate(
    kube: KubeClient, target: Target, *, digest: str, report: Report, allowed: bool = True
) -> StageResult:
    """Run the service's migration to its end, and report its log as it comes.

    Another commit's migration of the same service has to end first. `allowed` says whether it may be
    started: one that has run or runs is none to start.

    Raises:
        MovedError: it would have to be started, and may not.
        MigrationFailedError: it ended with another exit code than 0, or could not start; with its
            last words.
        DeadlineError: it, or the other one, took longer than `timeoutS`.
    """
    if target.migration is None:
        return StageResult(stage=STAGE, status=Status.SKIPPED, summary="no migration is configured")
    body = job(target, target.migration, digest)
    return await _Migration(kube, target, body, report, allowed=allowed).run()


async def preview(
    kube: KubeClient, target: Target, settings: MigrationSettings, *, digest: str
) -> MigrationPlan:
    """Return what `migrate` would do now.

    Args:
        kube: the cluster.
        target: the service.
        settings: its migration.
        digest: of the image; empty where that is yet to be built.
    """
    if not digest and settings.image is None:
        return MigrationPlan(job="", runs=True, state="absent", command=settings.command)
    name = name_of(target, settings, digest)
    found = await kube.find(f"{collection(target)}/{name}")
    how = state(found) if found else "absent"
    return MigrationPlan(job=name, runs=how not in {DONE, RUNNING}, state=how, command=settings.command)


def name_of(target: Target, migration: MigrationSettings, digest: str) -> str:
    """Return the Job's name: the same for the same work, another one for any other."""
    image = _image(target, migration, digest)
    work = [image, *migration.command, str(migration.run_as_user), target.secrets.name]
    return job_name(target, STAGE, work)


def job(target: Target, migration: MigrationSettings, digest: str) -> Json:
    """Return the Job to create, with the service's Secret as its environment."""
    settings = target.secrets
    has_secret = bool(target.database or settings.generate or settings.given)
    task = Task(
        component=COMPONENT,
        image=_image(target, migration, digest),
        command=migration.command,
        timeout_s=migration.timeout_s,
        run_as_user=migration.run_as_user,
        environment={"envFrom": [{"secretRef": {"name": settings.name, "optional": not has_secret}}]},
    )
    return manifest(target, name_of(target, migration, digest), task)


def _image(target: Target, migration: MigrationSettings, digest: str) -> str:
    return migration.image or f"{target.repository}@{digest}"


class _Migration(JobRun):
    """The Job, after all others of the service."""

    stage = STAGE
    what = "migration Job"
    failed = broken = MigrationFailedError

    def __init__(
        self, kube: KubeClient, target: Target, body: Json, report: Report, *, allowed: bool
    ) -> None:
        super().__init__(kube, target, body, report, allowed=allowed)
        self._turns = Turns(kube, target, self.name, report)

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return what keeps the service's other migrations from running."""
        return self._turns.mine()

    @property
    def waits_for(self) -> str:
        """Name of the other migration that runs, or nothing."""
        return self._turns.waits_for
