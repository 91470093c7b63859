"""A service's load check: HTTP requests at a constant rate to the new pods alone, before the proof (R26).

A Job in the cluster sends them, with Vegeta: https://github.com/tsenart/vegeta. It sends each request when it
is due, whether or not earlier ones are answered, so that a slow answer delays no measurement (coordinated
omission). Its report is the container's termination message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host import load_figures, revision_job
from slipway_host.errors import DeadlineError, LoadCheckError, OverBudgetError
from slipway_host.job_manifest import DONE, Task, job_name, state, termination_message
from slipway_host.load_config import ANSWER_S
from slipway_host.results import StageResult, Status
from slipway_host.revision_job import RevisionJob
from slipway_host.workload import owned

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.load_figures import Figures
    from slipway_host.progress import Report
    from slipway_host.revision_job import Revision
    from slipway_host.settings import LoadSettings, Target
    from slipway_host.workload import Workload

STAGE = "load"
START_S = 120
"""What the Job may take beside that: its image is pulled, its pod finds a node."""
# Kubernetes keeps 4096 bytes of a termination message. -max-body=0 reads answers and keeps none;
# -redirects=-1 follows none: who asks for a page and is sent elsewhere has not measured it.
SCRIPT = """\
command -v vegeta >/dev/null || { echo "there is no program vegeta in this image" >&2; exit 127; }
printf '%s\\n' "$TARGETS" |
  vegeta attack -rate="$RATE/1s" -duration="${DURATION}s" -timeout="${TIMEOUT}s" -max-body=0 -redirects=-1 |
  vegeta report -type=json | head -c 4000 | tee /dev/termination-log
"""


async def load(
    kube: KubeClient, target: Target, revision: Revision, *, run_id: str, report: Report, again: bool = False
) -> StageResult:
    """Send requests to the ready pods of the new revision, and hold what was measured to the budget.

    What has been measured for this revision of the workload is not measured again, unless `again` or it was
    over an enforced budget. A run that is cancelled takes its Job away.

    Raises:
        OverBudgetError: a figure is over budget, and the environment's gate is `fail`.
        HealthDegradedError: no pod is there to be asked.
        LoadCheckError: it could not measure, which says nothing about the revision; gate `fail`.
        SupersededError: it was over budget, and a newer deploy had replaced what it asked.
    """
    settings = target.load
    if settings is None:
        return StageResult(stage=STAGE, status=Status.SKIPPED, summary="no load check is configured here")
    workload, urls = await LoadCheck.addresses(kube, target, revision, report)
    name = name_of(target, settings, revision.digest, workload)
    body = revision_job.body(target, name, task_of(settings, urls), run_id=run_id)
    try:
        return await LoadCheck(kube, target, body, report).ask(revision, again=again)
    except LoadCheckError as error:
        if settings.enforced:
            raise
        return StageResult(stage=STAGE, status=Status.INCONCLUSIVE, summary=error.cause)


async def measured(kube: KubeClient, target: Target, settings: LoadSettings, *, digest: str) -> bool:
    """Say whether the revision that runs now has been measured, so that `load` would send nothing.

    Args:
        kube: the cluster.
        target: the service.
        settings: its load check.
        digest: of the image; empty where that is yet to be built.
    """
    found = await revision_job.made_for(
        kube, target, digest, lambda now: name_of(target, settings, digest, now)
    )
    return found is not None and stands(settings, await figures_of(kube, target, settings, found))


async def figures_of(kube: KubeClient, target: Target, settings: LoadSettings, found: Json) -> Figures | None:
    """Return what a Job has measured; None where it has not, or its pod is gone."""
    if state(found) != DONE:
        return None
    selector = f"batch.kubernetes.io/job-name={found['metadata']['name']}"
    listed = await kube.list(f"/api/v1/namespaces/{target.namespace}/pods", selector=selector)
    texts = [termination_message(pod) for pod in owned(listed, {found["metadata"]["uid"]})]
    return next(filter(None, (load_figures.read(text, settings) for text in texts)), None)


def stands(settings: LoadSettings, figures: Figures | None) -> bool:
    """Say whether these figures are the last word about a revision."""
    if figures is None or figures.unmeasured(settings):
        return False
    return not (settings.enforced and figures.over(settings.budget))


def name_of(target: Target, settings: LoadSettings, digest: str, workload: Workload) -> str:
    """Return the Job's name: the same for the same requests to the same revision of the workload.

    The budget is not part of it: another one is held against what has been measured.
    """
    asked = [settings.path, str(settings.rate_per_s), str(settings.duration_s)]
    means = [settings.image, settings.memory, settings.cpu, str(settings.run_as_user)]
    return job_name(target, STAGE, [*asked, *means, *revision_job.mark(workload, digest)])


def task_of(settings: LoadSettings, urls: tuple[str, ...]) -> Task:
    """Return what the Job runs."""
    given = {
        # The pods take turns.
        "TARGETS": "\n\n".join(f"GET {url}{settings.path}" for url in urls),
        "RATE": str(settings.rate_per_s),
        "DURATION": str(settings.duration_s),
        "TIMEOUT": str(ANSWER_S),
    }
    return Task(
        component=STAGE,
        image=settings.image,
        command=("/bin/sh", "-c", SCRIPT),
        timeout_s=settings.duration_s + ANSWER_S + START_S,
        run_as_user=settings.run_as_user,
        # A value may have $(…), which Kubernetes would fill in.
        environment={"env": [{"name": k, "value": v.replace("$(", "$$(")} for k, v in given.items()]},
        # A limit of CPU, unlike a smoke test's: without one it could starve what it measures.
        resources={
            "requests": {"cpu": "100m", "memory": settings.memory},
            "limits": {"cpu": settings.cpu, "memory": settings.memory},
        },
    )


class LoadCheck(RevisionJob):
    """The Job, and what is made of its figures."""

    stage = STAGE
    what = "load check Job"
    failed = LoadCheckError
    broken = LoadCheckError

    async def run(self) -> StageResult:
        """Have the Job measure, if it has not done so before, and hold the figures to the budget.

        Raises:
            OverBudgetError: a figure is over budget, and that is enforced.
            LoadCheckError: it could not measure.
        """
        settings = self.target.load
        assert settings  # noqa: S101 - load() makes none without
        found = await self.find()
        if found and state(found) == DONE and not stands(settings, await self._figures(settings, found)):
            await self.remove(found)
        try:
            result = await super().run()
        except DeadlineError as error:
            raise LoadCheckError(error.cause, stage=STAGE, next_command=error.next_command) from error
        return self._judged(settings, result, await self._figures(settings, await self._read()))

    async def _figures(self, settings: LoadSettings, found: Json) -> Figures | None:
        return await figures_of(self.kube, self.target, settings, found)

    def _judged(self, settings: LoadSettings, result: StageResult, figures: Figures | None) -> StageResult:
        if figures is None:
            raise self.error(LoadCheckError, "it has measured nothing")
        why = figures.unmeasured(settings)
        logs = self._command("logs")
        if why:
            raise LoadCheckError(f"could not measure: {why}", stage=STAGE, next_command=logs)
        over = figures.over(settings.budget)
        outputs = {**result.outputs, "load": figures.document(settings)}
        if over and settings.enforced:
            raise OverBudgetError(
                f"over budget: {', '.join(over)}; {figures.summary}",
                outputs=outputs,
                stage=STAGE,
                next_command=logs,
            )
        before = "measured before: " if result.status is Status.SKIPPED else ""
        said = (
            f"over budget, which {self.target.environment} only reports: {', '.join(over)}; " if over else ""
        )
        return StageResult(
            stage=STAGE, status=result.status, summary=f"{before}{said}{figures.summary}", outputs=outputs
        )
