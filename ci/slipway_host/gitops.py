"""The GitOps commit: the images that Argo CD should run, written to the branch that it watches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from slipway_host import git, values
from slipway_host.errors import (
    DeadlineError,
    DeliveryError,
    PushRejectedError,
    SupersededError,
    TerminalError,
    TransientError,
)
from slipway_host.git_errors import UnexplainedGitError
from slipway_host.image_change import (
    FULL_HASH,
    MESSAGE,
    SOURCE_COMMIT,
    ImageChange,
    check,
    describe,
    edit,
    source_of,
)
from slipway_host.results import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from slipway_host.progress import Report
    from slipway_host.settings import GitSettings


TRIES = 15
_BACKOFF = wait_random_exponential(multiplier=0.1, max=5)
# How long a rival's accepted push may take to become visible after ours was rejected for it.
_LOOKS_S = (0.1, 0.4, 1.0)

_SHORTEST_HASH = 7

_TURNS: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()


@dataclass(frozen=True, kw_only=True)
class GitOpsResult:
    """What the branch holds now.

    Args:
        status: Skipped where every file names its image already.
        commit: the commit that Argo CD has to hold: ours, or the branch's newest.
        branch: the branch that was written.
        changed: the applications whose files the commit changed.
        attempts: how many times the branch was read and the edit applied.
    """

    status: Status
    commit: str
    branch: str
    changed: tuple[str, ...]
    attempts: int


async def commit_images(
    settings: GitSettings,
    changes: Sequence[ImageChange],
    *,
    run_id: str,
    report: Report,
    deadline_s: float,
    message: str = MESSAGE,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> GitOpsResult:
    """Put one commit with all changes on the branch, and return what the branch holds then.

    Where others push at the same time, the edit is applied again to what they left; nothing is
    forced, nothing merged. Whether a push succeeded is read from the branch, never from git's
    words: a lost connection or an unknown rejection says nothing about it (faults 60 and 61).

    Args:
        settings: repository, branch and account.
        changes: one per application.
        run_id: written to the commit, to find the run that made it.
        report: told about each wait.
        deadline_s: for everything together.
        message: the commit's subject; `{app}` and `{tag}` are filled in.
        protocols: transports that git may use.

    Raises:
        SupersededError: a newer deploy of an application has landed.
        TerminalError: the branch does not accept the push, or a file not the edit.
        DeadlineError: time ran out; the push may still be under way.
        TransientError: the last of many tries failed as the ones before.
    """
    check(changes, run_id, message)
    tries = _Tries(report, settings.branch)
    try:
        with anyio.fail_after(deadline_s):
            async with git.clone(settings, protocols=protocols) as copy, _turn(settings):
                report(f"reading {settings.branch} of {copy.address}")
                writer = _Writer(settings, copy, changes, run_id, message)
                async for attempt in AsyncRetrying(
                    retry=retry_if_exception_type(TransientError),
                    wait=_BACKOFF,
                    stop=stop_after_attempt(TRIES),
                    sleep=anyio.sleep,
                    before_sleep=tries.failed,
                    reraise=True,
                ):
                    with attempt:
                        number = attempt.retry_state.attempt_number
                        return await writer.write(number)
    except TimeoutError as error:
        raise DeadlineError(
            f"no commit on {settings.branch} within {deadline_s:.0f} s{tries.reason}",
            next_command="run the same command again: what has landed is recognised",
        ) from error
    raise AssertionError("the last try returns or raises")


def _turn(settings: GitSettings) -> anyio.Lock:
    """Return the lock of a branch: writers of one process queue instead of rejecting each other's pushes.

    Many at once would all read and commit so slowly that none of them is ever first.
    """
    return _TURNS.setdefault((settings.url, settings.branch), anyio.Lock())


async def contains(
    settings: GitSettings,
    commit: str,
    revision: str,
    *,
    deadline_s: float = 60,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> bool:
    """Return whether `revision` is `commit` or was put on top of it, on the branch.

    Asks the remote for history alone, and for all of it only where the newest part does not tell.
    False also where `revision` is no full hash: Argo CD reports none before its first sync.
    """
    if commit == revision:
        return True
    if not (FULL_HASH.fullmatch(commit) and FULL_HASH.fullmatch(revision)):
        return False
    try:
        with anyio.fail_after(deadline_s):
            async with git.clone(settings, protocols=protocols, content=False, depth=100) as copy:
                await copy.fetch()
                while True:
                    if await copy.is_ancestor(commit, revision):
                        return True
                    if await copy.is_ancestor(revision, commit) or not await copy.deepen():
                        return False
    except TimeoutError as error:
        raise DeadlineError(
            f"the history of {settings.branch} did not arrive within {deadline_s:.0f} s"
        ) from error


class _Tries:
    """Tells people why there is another try, and remembers it for the deadline's error."""

    def __init__(self, report: Report, branch: str) -> None:
        self.reason = ""
        self._report = report
        self._branch = branch

    def failed(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        cause = error.cause if isinstance(error, TransientError) else "unknown"
        self.reason = f" (try {state.attempt_number} ended with: {cause})"
        self._report(f"{cause}; trying {self._branch} again in {state.upcoming_sleep:.1f} s")


class _Writer:
    """One commit on its way to the branch, over as many tries as it takes."""

    def __init__(
        self,
        settings: GitSettings,
        copy: git.Clone,
        changes: Sequence[ImageChange],
        run_id: str,
        message: str,
    ) -> None:
        self._settings = settings
        self._copy = copy
        self._changes = changes
        self._run_id = run_id
        self._message = message
        self._made: dict[str, tuple[str, ...]] = {}

    async def write(self, attempt: int) -> GitOpsResult:
        head = await self._copy.fetch()
        # A push whose answer was lost may have landed since.
        if landed := await self._landed(attempt):
            return landed
        files = await self._copy.read([change.path for change in self._changes])
        edited, changed = {}, []
        for change in self._changes:
            before = files[change.path]
            after = edit(before, change)
            if after != before:
                await self._refuse_regression(change, values.read_tag(before))
                edited[change.path] = after
                changed.append(change)
        if not edited:
            return self._result(Status.SKIPPED, head, (), attempt)
        commit = await self._copy.commit(edited, describe(changed, self._run_id, self._message))
        self._made[commit] = tuple(change.app for change in changed)
        try:
            await self._copy.push(commit)
        except (TransientError, UnexplainedGitError) as error:
            return await self._judge(head, error, attempt)
        return self._result(Status.SUCCEEDED, commit, self._made[commit], attempt)

    async def _judge(self, head: str, error: DeliveryError, attempt: int) -> GitOpsResult:
        """Return the result of a push that seems to have failed, or raise what comes of it."""
        for pause in (0.0, *_LOOKS_S):
            await anyio.sleep(pause)
            await self._copy.fetch()
            if landed := await self._landed(attempt):
                return landed
            if self._copy.head != head:
                branch = self._settings.branch
                raise PushRejectedError(f"{branch} moved while this commit was made") from error
            if not isinstance(error, PushRejectedError):
                raise error
        raise TerminalError(error.cause) from error

    async def _landed(self, attempt: int) -> GitOpsResult | None:
        for commit, apps in self._made.items():
            if await self._copy.is_ancestor(commit, self._copy.head):
                return self._result(Status.SUCCEEDED, commit, apps, attempt)
        return None

    async def _refuse_regression(self, change: ImageChange, current: str | None) -> None:
        if change.ancestors is None or current is None or current == change.tag:
            return
        # The usual tag is the beginning of its commit's hash: then no history has to be fetched.
        if len(current) >= _SHORTEST_HASH and any(
            ancestor.startswith(current) for ancestor in change.ancestors
        ):
            return
        last = await self._copy.last_commit(change.path, trailer=SOURCE_COMMIT)
        source = source_of(last.values, change.app) if last else None
        if last is None or source is None or source in {change.source_commit, *change.ancestors}:
            return
        then = await self._copy.read([change.path], at=last.commit)
        # Somebody else has written another tag since: how old that one is, nobody knows.
        if values.read_tag(then[change.path]) == current:
            raise SupersededError(
                f"{change.app} runs {current} of commit {source}, which is not part of "
                f"{change.source_commit}: a newer deploy has landed",
                next_command=f"deploy a commit that contains {source}, or roll back on purpose",
            )

    def _result(self, status: Status, commit: str, changed: tuple[str, ...], attempt: int) -> GitOpsResult:
        return GitOpsResult(
            status=status,
            commit=commit,
            branch=self._settings.branch,
            changed=changed,
            attempts=attempt,
        )
