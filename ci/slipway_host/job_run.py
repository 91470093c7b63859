"""One Kubernetes Job from the first look to its end: made once, its log told live, its failure explained.

The Job's name comes from the work itself, so every run of the same deploy means the same Job: one that has
done its work is left alone, one that runs is waited for, one that failed makes way for another try.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, ClassVar

import anyio

from slipway_host import job_manifest, pods, troubles, waiting
from slipway_host.creation import create, until_settled
from slipway_host.errors import (
    ConflictError,
    DeadlineError,
    DeliveryError,
    MovedError,
    NotFoundError,
    quote,
)
from slipway_host.job_manifest import DONE, ENDING, FAILED, state
from slipway_host.progress import within
from slipway_host.results import StageResult, Status
from slipway_host.scrub import parts, scrubbed
from slipway_host.secret_data import decoded
from slipway_host.workload import owned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.pods import Trouble
    from slipway_host.progress import Report
    from slipway_host.settings import Target
    from slipway_host.waiting import Changes

LOG_LIMIT = 64 * 1024
"""Characters of the Job's log that are reported."""
LAST_WORDS = 500
GRACE_S = 30.0
"""Beyond the Job's own time: Kubernetes stops it, and its reason is better than ours."""
STUCK_S = 10.0
"""What keeps the container from starting is an error after this long."""


class JobRun:
    """One Job; a subclass says what it is for.

    Args:
        kube: the cluster.
        target: the service.
        body: the Job.
        report: takes one line for people, live.
        allowed: it may be started; one that has run or runs is none to start.
    """

    stage: ClassVar[str]
    what: ClassVar[str]
    """For people: `migration Job`."""
    failed: ClassVar[type[DeliveryError]]
    """It ran, and did not end with exit code 0."""
    broken: ClassVar[type[DeliveryError]]
    """It could not run."""

    def __init__(
        self, kube: KubeClient, target: Target, body: Json, report: Report, *, allowed: bool = True
    ) -> None:
        self.kube, self.target, self.report, self.body = kube, target, report, body
        self.name = str(body["metadata"]["name"])
        self.ended = False
        self.begun = False
        self._allowed = allowed
        self._timeout_s = int(body["spec"]["activeDeadlineSeconds"])
        self._container = str(body["spec"]["template"]["spec"]["containers"][0]["name"])
        self._jobs = job_manifest.collection(target)
        self._pods = f"/api/v1/namespaces/{target.namespace}/pods"
        self._selector = f"batch.kubernetes.io/job-name={self.name}"
        self._secrets: list[str] = []
        self._tail: deque[str] = deque(maxlen=20)
        self._following = ""
        self._silent = anyio.Event()
        self._stuck_since: dict[tuple[str, str], float] = {}
        self._without_pod_since: float | None = None

    async def run(self) -> StageResult:
        """Have the Job do its work, if it has not done it before.

        Raises:
            DeliveryError: `failed` or `broken`, with the Job's last words.
            MovedError: it would have to be started, and may not.
            DeadlineError: it, or what it waits for, took longer than it may.
        """
        seconds = self._timeout_s
        try:
            within(seconds + GRACE_S)
            with anyio.fail_after(seconds + GRACE_S):
                made = await until_settled(self._ensure)
        except TimeoutError:
            other = f" while Job {self.waits_for} runs" if self.waits_for else ""
            raise self.error(DeadlineError, f"not begun in {seconds} s{other}") from None
        if made is None:
            self.ended = True
            return self._result(Status.SKIPPED, "has run already")
        self.report(f"{self.stage}: Job {self.name} {'created' if made else 'runs already: waiting for it'}")
        try:
            within(seconds + GRACE_S)
            with anyio.fail_after(seconds + GRACE_S):
                self._secrets = await self._known_secrets()
                await self._wait()
        except TimeoutError:
            raise self.error(DeadlineError, f"no end after {seconds} s") from None
        return self._result(Status.SUCCEEDED, "done")

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return what has to be held while the Job is created."""
        return contextlib.nullcontext()

    @property
    def waits_for(self) -> str:
        """Name of the Job that has to end first, or nothing."""
        return ""

    async def find(self) -> Json | None:
        """Return the Job as it is in the cluster, None where there is none."""
        return await self.kube.find(f"{self._jobs}/{self.name}")

    async def remove(self, found: Json) -> None:
        """Delete the Job that was found, with its pods, unless it has gone already."""
        with contextlib.suppress(NotFoundError, ConflictError):
            await self.kube.delete(f"{self._jobs}/{self.name}", uid=found["metadata"]["uid"])

    def error(self, kind: type[DeliveryError], why: str, *, words: str = "") -> DeliveryError:
        """Return the error for this Job, with the last words that are known."""
        said = words or "\n".join(self._tail)
        end = f"; its last words: {quote(said[-LAST_WORDS:])}" if said.strip() else ""
        return kind(
            f"{self.what} {self.name} in namespace {self.target.namespace}: {why}{end}",
            stage=self.stage,
            next_command=self._command("logs"),
            # What has begun may have done a part of its work.
            outputs={"job": self.name} if self.begun else None,
        )

    async def _ensure(self) -> bool | None:
        """Make sure that the Job is there; True if made now, None if it has done its work."""
        found = await self.find()
        if not self._allowed and (found is None or state(found) in {FAILED, ENDING}):
            raise self.error(MovedError, "to run it is not in the plan")
        if found and state(found) == FAILED:
            self.report(f"{self.stage}: Job {self.name} has failed before: trying again")
            await self.remove(found)
        if found and state(found) in {FAILED, ENDING}:
            while await self.find():  # noqa: ASYNC110 - bounded by the caller's deadline
                await anyio.sleep(0.2)
            found = None
        if found is None:
            async with self.turn():
                await create(self.kube, self._jobs, self.body)
            return True
        return None if state(found) == DONE else False

    async def _known_secrets(self) -> list[str]:
        path = f"/api/v1/namespaces/{self.target.namespace}/secrets/{self.target.secrets.name}"
        found = await self.kube.find(path)
        values = [value.get_secret_value() for value in self.target.secrets.given.values()]
        return parts([*values, *(decoded(found).values() if found else ())])

    async def _wait(self) -> None:
        watched = [
            waiting.Watched(path=self._jobs, fields=f"metadata.name={self.name}"),
            waiting.Watched(path=self._pods, selector=self._selector),
        ]
        outcome: DeliveryError | None = None
        async with anyio.create_task_group() as tasks:

            async def loop(changes: Changes) -> None:
                while not await self._look(tasks):
                    await changes.wait(2)

            # Raised inside, an error would leave the task group wrapped in a group.
            try:
                await waiting.watching(waiting.in_cluster(self.kube, watched), loop, self.report)
            except DeliveryError as error:
                outcome = error
            tasks.cancel_scope.cancel()
        if outcome:
            raise outcome

    async def _look(self, tasks: anyio.abc.TaskGroup) -> bool:
        """Read Job and pods; True if the work is done."""
        body = await self._read()
        listed = await waiting.patiently(
            lambda: self.kube.list(self._pods, selector=self._selector), self.report
        )
        # Not by name: those of a Job that made way for this one may still be there.
        found = owned(listed, {body["metadata"]["uid"]})
        running = next((pod for pod in found if job_manifest.started(pod)), None)
        if running:
            ended = job_manifest.end(running)
            self.begun = self.begun or ended is None or not ended.refusal
        if running and not self._following:
            self._following = pods.name(running)
            tasks.start_soon(self._follow, self._following)
        reason = job_manifest.failure(body)
        if job_manifest.complete(body) or reason:
            self.ended = True
            if self._following:
                with anyio.move_on_after(5):
                    await self._silent.wait()
            if not reason:
                return True
            raise await self._failed(reason, running)
        trouble = self._stuck(found) or await self._without_pod(found)
        if trouble:
            # Nothing has run: left behind, it could start when nobody expects it any more.
            await self.remove(body)
            raise self.error(self.broken, trouble)
        return False

    async def _read(self) -> Json:
        found = await waiting.patiently(self.find, self.report)
        if found is None:
            raise self.error(self.broken, "somebody has deleted it")
        return found

    def _stuck(self, found: Sequence[Json]) -> str:
        """Return what keeps the pod from starting; nothing while it may still get over it."""
        now = anyio.current_time()
        seen: dict[tuple[str, str], Trouble] = {t.key: t for t in map(pods.trouble, found) if t}
        self._stuck_since = {key: self._stuck_since.get(key, now) for key in seen}
        for key, trouble in seen.items():
            if trouble.certain or now - self._stuck_since[key] >= STUCK_S + trouble.grace_s:
                return trouble.cause
        return ""

    async def _without_pod(self, found: Sequence[Json]) -> str:
        """Return why the Job gets no pod, which its events alone tell: a quota, or an admission's refusal."""
        now = anyio.current_time()
        self._without_pod_since = None if found else (self._without_pod_since or now)
        if self._without_pod_since is None or now - self._without_pod_since < STUCK_S:
            return ""
        said = await troubles.refused_creation(self.kube, self.target, self.name)
        return f"gets no pod: {said}" if said else ""

    async def _failed(self, reason: str, pod: Json | None) -> DeliveryError:
        if reason == "DeadlineExceeded":
            return self.error(DeadlineError, f"stopped after {self._timeout_s} s")
        ended, words = (job_manifest.end(pod), "") if pod else (None, "")
        if ended and ended.refusal:
            return self.error(self.broken, str(ended))
        if pod and not self._tail:
            # It has failed either way: the log is worth a few seconds, and no second error.
            with anyio.move_on_after(10), contextlib.suppress(DeliveryError):
                text = await self.kube.pod_log(self.target.namespace, pods.name(pod), self._container)
                words = scrubbed(text, self._secrets)
        return self.error(self.failed, str(ended) if ended else f"failed ({reason})", words=words)

    async def _follow(self, pod: str) -> None:
        """Report the log, up to a limit; one that cannot be read is no reason to stop."""
        seconds, size = float(self._timeout_s) + GRACE_S, 0
        try:
            log = self.kube.follow_log(self.target.namespace, pod, self._container, silence_s=seconds)
            async for raw in log:
                line = quote(scrubbed(raw, self._secrets))
                self._tail.append(line)
                if size < LOG_LIMIT:
                    self.report(f"{self.stage}: {line}")
                    size += len(line)
                    if size >= LOG_LIMIT:
                        self.report(f"{self.stage}: the log goes on: {self._command('logs')}")
        except DeliveryError as error:
            self.report(f"{self.stage}: {error.cause}; its log is not followed any more")
        finally:
            self._silent.set()

    def _command(self, verb: str) -> str:
        return f"kubectl --namespace {self.target.namespace} {verb} job/{self.name}"

    def _result(self, status: Status, what: str) -> StageResult:
        return StageResult(
            stage=self.stage,
            status=status,
            summary=f"Job {self.name}: {what}",
            outputs={"job": self.name},
        )
