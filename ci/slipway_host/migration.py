"""A service's migration as a Kubernetes Job, before anything of the new version serves (R9).

The Job's name comes from the work itself, so every run of the same deploy means the same Job: one that has
done its work is left alone, one that runs is waited for, one that failed makes way for another try. A run
that is cancelled leaves the Job to its end, since half a migration is worse than a whole one.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, waiting
from slipway_host.creation import create, until_settled
from slipway_host.errors import (
    ConflictError,
    DeadlineError,
    DeliveryError,
    MigrationFailedError,
    MovedError,
    NotFoundError,
    quote,
)
from slipway_host.migration_job import (
    CONTAINER,
    DONE,
    ENDING,
    FAILED,
    RUNNING,
    complete,
    exit_code,
    failure,
    job,
    name_of,
    started,
    state,
)
from slipway_host.migration_turn import Turns
from slipway_host.plan import MigrationPlan
from slipway_host.progress import within
from slipway_host.results import StageResult, Status
from slipway_host.scrub import parts, scrubbed
from slipway_host.secret_data import decoded

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.pods import Trouble
    from slipway_host.progress import Report
    from slipway_host.settings import MigrationSettings, Target
    from slipway_host.waiting import Changes

STAGE = "migrate"
LOG_LIMIT = 64 * 1024
"""Characters of the Job's log that are reported."""
LAST_WORDS = 500
GRACE_S = 30.0
"""Beyond the Job's own time: Kubernetes stops it, and its reason is better than ours."""
STUCK_S = 10.0
"""What keeps the container from starting is an error after this long."""


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
    return await _Migration(kube, target, target.migration, digest, report, allowed=allowed).run()


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
    found = await kube.find(f"/apis/batch/v1/namespaces/{target.namespace}/jobs/{name}")
    how = state(found) if found else "absent"
    return MigrationPlan(job=name, runs=how not in {DONE, RUNNING}, state=how, command=settings.command)


class _Migration:
    """One Job, from the first look to its end."""

    def __init__(
        self,
        kube: KubeClient,
        target: Target,
        migration: MigrationSettings,
        digest: str,
        report: Report,
        *,
        allowed: bool,
    ) -> None:
        self._allowed = allowed
        self._kube, self._target, self._migration, self._report = kube, target, migration, report
        self._body = job(target, migration, digest)
        self._name = str(self._body["metadata"]["name"])
        self._jobs = f"/apis/batch/v1/namespaces/{target.namespace}/jobs"
        self._pods = f"/api/v1/namespaces/{target.namespace}/pods"
        self._selector = f"batch.kubernetes.io/job-name={self._name}"
        self._turns = Turns(kube, target, self._name, report)
        self._secrets: list[str] = []
        self._tail: deque[str] = deque(maxlen=20)
        self._following = ""
        self._silent = anyio.Event()
        self._stuck_since: dict[tuple[str, str], float] = {}

    async def run(self) -> StageResult:
        seconds = self._migration.timeout_s
        try:
            within(seconds + GRACE_S)
            with anyio.fail_after(seconds + GRACE_S):
                made = await until_settled(self._ensure)
        except TimeoutError:
            other = f" while Job {self._turns.waits_for} runs" if self._turns.waits_for else ""
            raise self.error(DeadlineError, f"not begun in {seconds} s{other}") from None
        if made is None:
            return self._result(Status.SKIPPED, "has run already")
        self._report(f"{STAGE}: Job {self._name} {'created' if made else 'runs already: waiting for it'}")
        try:
            within(seconds + GRACE_S)
            with anyio.fail_after(seconds + GRACE_S):
                self._secrets = await self._known_secrets()
                await self._wait()
        except TimeoutError:
            raise self.error(DeadlineError, f"no end after {seconds} s") from None
        return self._result(Status.SUCCEEDED, "done")

    def error(self, kind: type[DeliveryError], why: str, *, words: str = "") -> DeliveryError:
        """Return the error for this Job, with the last words that are known."""
        said = words or "\n".join(self._tail)
        end = f"; its last words: {quote(said[-LAST_WORDS:])}" if said.strip() else ""
        return kind(f"migration Job {self._name} in namespace {self._target.namespace}: {why}{end}",
                    stage=STAGE, next_command=self._command("logs"))  # fmt: skip

    async def _ensure(self) -> bool | None:
        """Make sure that the Job is there; True if made now, None if it has done its work."""
        path = f"{self._jobs}/{self._name}"
        found = await self._kube.find(path)
        if not self._allowed and (found is None or state(found) in {FAILED, ENDING}):
            raise self.error(MovedError, "to run it is not in the plan")
        if found and state(found) == FAILED:
            self._report(f"{STAGE}: Job {self._name} has failed before: trying again")
            await self._remove(found)
        if found and state(found) in {FAILED, ENDING}:
            while await self._kube.find(path):  # noqa: ASYNC110 - bounded by the caller's deadline
                await anyio.sleep(0.2)
            found = None
        if found is None:
            async with self._turns.mine():
                await create(self._kube, self._jobs, self._body)
            return True
        return None if state(found) == DONE else False

    async def _remove(self, found: Json) -> None:
        with contextlib.suppress(NotFoundError, ConflictError):
            await self._kube.delete(f"{self._jobs}/{self._name}", uid=found["metadata"]["uid"])

    async def _known_secrets(self) -> list[str]:
        path = f"/api/v1/namespaces/{self._target.namespace}/secrets/{self._target.secrets.name}"
        found = await self._kube.find(path)
        values = [value.get_secret_value() for value in self._target.secrets.given.values()]
        return parts([*values, *(decoded(found).values() if found else ())])

    async def _wait(self) -> None:
        watched = [
            waiting.Watched(path=self._jobs, fields=f"metadata.name={self._name}"),
            waiting.Watched(path=self._pods, selector=self._selector),
        ]
        outcome: DeliveryError | None = None
        async with anyio.create_task_group() as tasks:

            async def loop(changes: Changes) -> None:
                while not await self._look(tasks):
                    await changes.wait(2)

            # Raised inside, an error would leave the task group wrapped in a group.
            try:
                await waiting.watching(waiting.in_cluster(self._kube, watched), loop, self._report)
            except DeliveryError as error:
                outcome = error
            tasks.cancel_scope.cancel()
        if outcome:
            raise outcome

    async def _look(self, tasks: anyio.abc.TaskGroup) -> bool:
        """Read Job and pods; True if the work is done."""
        body = await self._read()
        found = await waiting.patiently(
            lambda: self._kube.list(self._pods, selector=self._selector), self._report
        )
        running = next((pod for pod in found if started(pod)), None)
        if running and not self._following:
            self._following = pods.name(running)
            tasks.start_soon(self._follow, self._following)
        if complete(body) or failure(body):
            if self._following:
                with anyio.move_on_after(5):
                    await self._silent.wait()
            if complete(body):
                return True
            raise await self._failed(failure(body), running)
        trouble = self._stuck(found)
        if trouble:
            # Nothing has run: left behind, it could start when nobody expects it any more.
            await self._remove(body)
            raise self.error(MigrationFailedError, trouble.cause)
        return False

    async def _read(self) -> Json:
        path = f"{self._jobs}/{self._name}"
        found = await waiting.patiently(lambda: self._kube.find(path), self._report)
        if found is None:
            raise self.error(MigrationFailedError, "somebody has deleted it")
        return found

    def _stuck(self, found: list[Json]) -> Trouble | None:
        now = anyio.current_time()
        troubles = {t.key: t for t in map(pods.trouble, found) if t}
        self._stuck_since = {key: self._stuck_since.get(key, now) for key in troubles}
        for key, trouble in troubles.items():
            if trouble.certain or now - self._stuck_since[key] >= STUCK_S + trouble.grace_s:
                return trouble
        return None

    async def _failed(self, reason: str, pod: Json | None) -> DeliveryError:
        if reason == "DeadlineExceeded":
            return self.error(DeadlineError, f"stopped after {self._migration.timeout_s} s")
        code, words = (exit_code(pod), "") if pod else (None, "")
        if pod and not self._tail:
            # It has failed either way: the log is worth a few seconds, and no second error.
            with anyio.move_on_after(10), contextlib.suppress(DeliveryError):
                text = await self._kube.pod_log(self._target.namespace, pods.name(pod), CONTAINER)
                words = scrubbed(text, self._secrets)
        why = f"ended with exit code {code}" if code is not None else f"failed ({reason})"
        return self.error(MigrationFailedError, why, words=words)

    async def _follow(self, pod: str) -> None:
        """Report the log, up to a limit; one that cannot be read is no reason to stop."""
        seconds, size = float(self._migration.timeout_s) + GRACE_S, 0
        try:
            log = self._kube.follow_log(self._target.namespace, pod, CONTAINER, silence_s=seconds)
            async for raw in log:
                line = quote(scrubbed(raw, self._secrets))
                self._tail.append(line)
                if size < LOG_LIMIT:
                    self._report(f"{STAGE}: {line}")
                    size += len(line)
                    if size >= LOG_LIMIT:
                        self._report(f"{STAGE}: the log goes on: {self._command('logs')}")
        except DeliveryError as error:
            self._report(f"{STAGE}: {error.cause}; its log is not followed any more")
        finally:
            self._silent.set()

    def _command(self, verb: str) -> str:
        return f"kubectl --namespace {self._target.namespace} {verb} job/{self._name}"

    def _result(self, status: Status, what: str) -> StageResult:
        return StageResult(
            stage=STAGE, status=status, summary=f"Job {self._name}: {what}", outputs={"job": self._name}
        )
