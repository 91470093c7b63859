"""A Kubernetes Job that asks the ready pods of a new revision, and no others, before the proof (R14, R26)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, waiting
from slipway_host.errors import DeadlineError, DeliveryError, HealthDegradedError, SupersededError
from slipway_host.health import candidates
from slipway_host.job_manifest import DONE, collection, manifest, state
from slipway_host.job_run import JobRun
from slipway_host.troubles import new_pods
from slipway_host.workload import read_workload, revision_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_host.job_manifest import Task
    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.progress import Report
    from slipway_host.results import StageResult
    from slipway_host.settings import Target
    from slipway_host.workload import Workload

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


class RevisionJob(JobRun):
    """The Job, which does not outlive a run that gives it up."""

    @classmethod
    async def workload(cls, kube: KubeClient, target: Target, report: Report) -> Workload | None:
        """Return what runs the pods, None where there is none.

        Raises:
            DeliveryError: `broken`, where Kubernetes does not answer in time.
        """
        with anyio.move_on_after(ANSWER_S):
            return await waiting.patiently(lambda: read_workload(kube, target), report)
        raise cls.broken(f"Kubernetes has not answered for {ANSWER_S:g} s", stage=cls.stage)

    @classmethod
    async def addresses(
        cls, kube: KubeClient, target: Target, revision: Revision, report: Report
    ) -> tuple[Workload, tuple[str, ...]]:
        """Return the workload and the addresses of its ready new pods.

        Raises:
            HealthDegradedError: there is no such pod.
        """
        workload = await cls.workload(kube, target, report)
        urls = _urls(workload, target, revision) if workload else ()
        if workload is None or not urls:
            raise HealthDegradedError(
                f"no ready pod of the new revision runs {revision.digest}",
                stage=cls.stage,
                next_command=f"kubectl -n {target.namespace} get pods",
            )
        return workload, urls

    async def ask(self, revision: Revision, *, again: bool) -> StageResult:
        """Have the Job do its work; one that has done it is made anew only `again`.

        Raises:
            SupersededError: it failed, and a newer deploy had replaced what it asked.
            DeliveryError: of `run`.
        """
        try:
            if again and (found := await self.find()) and state(found) == DONE:
                await self.remove(found)
            return await self.run()
        except (HealthDegradedError, DeadlineError) as error:
            await self._refuse_superseded(revision, error)
            raise
        finally:
            await self._clear()

    async def _refuse_superseded(self, revision: Revision, error: DeliveryError) -> None:
        """Say so where a newer deploy has taken away what was asked: then the failure says nothing of it."""
        workload = None
        with contextlib.suppress(self.broken):
            workload = await self.workload(self.kube, self.target, self.report)
        if workload and not pods.carries(workload.body["spec"]["template"], self.target, revision.digest):
            raise SupersededError(
                f"{error.cause}; another image has replaced {revision.digest} since", stage=self.stage
            ) from error

    async def _clear(self) -> None:
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


def mark(workload: Workload, digest: str) -> list[str]:
    """Return what makes this revision of the workload and no other: an image that returns is a new one."""
    meta = workload.body["metadata"]
    number = revision_number(workload.body) or meta["generation"]
    return [digest, str(meta["uid"]), str(number)]


async def made_for(
    kube: KubeClient, target: Target, digest: str, name_of: Callable[[Workload], str]
) -> Json | None:
    """Return the Job of the revision that runs now; None where that has another image, or no Job.

    Args:
        kube: the cluster.
        target: the service.
        digest: of the image; empty where that is yet to be built.
        name_of: returns the Job's name for a workload.
    """
    workload = await read_workload(kube, target)
    if workload is None or not pods.carries(workload.body["spec"]["template"], target, digest):
        return None
    return await kube.find(f"{collection(target)}/{name_of(workload)}")


def body(target: Target, name: str, task: Task, *, run_id: str) -> Json:
    """Return the Job to create."""
    made = manifest(target, name, task)
    made["metadata"]["annotations"] = {OWNER: run_id}
    return made


def _urls(workload: Workload, target: Target, revision: Revision) -> tuple[str, ...]:
    """Return the addresses of the ready pods of the new revision: through a Service, old ones answer too."""
    new = {pods.name(pod) for pod in new_pods(workload, target, revision.digest)}
    ready = candidates(workload, target, revision.digest, revision.manifests)
    addresses = [str(pod["status"].get("podIP", "")) for pod in ready if pods.name(pod) in new]
    hosts = [f"[{address}]" if ":" in address else address for address in addresses if address]
    return tuple(f"http://{host}:{target.health_port}" for host in sorted(hosts))
