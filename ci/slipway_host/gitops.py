"""The GitOps commit: the images that Argo CD should run, written to the branch that it watches."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from slipway_host import git, pull_requests
from slipway_host.branch_writer import BranchWriter, Edit, GitOpsResult, images
from slipway_host.errors import DeadlineError, SettingsError, TransientError
from slipway_host.image_change import FULL_HASH, ImageChange, check
from slipway_host.progress import within
from slipway_host.proposal import EditProposer, Proposer, landed, wait_merged
from slipway_host.results import Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

    from pydantic import SecretStr

    from slipway_host.progress import Report
    from slipway_host.settings import GitSettings

R = TypeVar("R")

__all__ = ["GitOpsResult", "check_proposals", "commit_images", "contains"]

TRIES = 60
"""The deadline is what ends a lost race: a busy rival may win more than a dozen in a row."""
_BACKOFF = wait_random_exponential(multiplier=0.1, max=5)
_TURNS: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()


async def commit_images(
    settings: GitSettings,
    changes: Sequence[ImageChange],
    *,
    run_id: str,
    report: Report,
    deadline_s: float,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> GitOpsResult:
    """Put one commit with all changes on the branch, and return what the branch holds then.

    Where others push at the same time, the edit is applied again to what they left; nothing is
    forced, nothing merged. Whether a push succeeded is read from the branch, never from git's
    words: a lost connection or an unknown rejection says nothing about it (faults 60 and 61).

    With `settings.pull_request` the commit goes to a branch of its own with a pull request; the result
    is Waiting then, unless the settings say to wait for the merge.

    Args:
        settings: repository, branch and account.
        changes: one per application.
        run_id: written to the commit, to find the run that made it.
        report: told about each wait.
        deadline_s: for everything together, without a wait for people.
        protocols: transports that git may use.

    Raises:
        SupersededError: a newer deploy of an application has landed.
        TerminalError: the branch does not accept the push, or a file not the edit.
        DeadlineError: time ran out; the push may still be under way.
        TransientError: the last of many tries failed as the ones before.
    """
    check(changes, run_id, settings.message)
    wanted = settings.pull_request
    async with git.clone(settings, protocols=protocols) as copy:
        report(f"reading {settings.branch} of {copy.address}")
        if wanted is None:
            lacking = partial(images, copy, changes, run_id=run_id, template=settings.message)
            return await _written(BranchWriter(settings, copy, lacking), settings, report, deadline_s)
        async with pull_requests.PullRequestClient(wanted, _token(settings)) as client:
            proposer = Proposer(settings, wanted, copy, client, changes, run_id)
            done = await _proposed(proposer, settings, report, deadline_s)
            if done.status is not Status.WAITING or not wanted.wait:
                return done
            merge = await wait_merged(client, done, deadline_s=wanted.wait_s, report=report)
            return await landed(copy, changes, done, merge)


async def commit_edit(
    settings: GitSettings,
    edit: Callable[[git.Clone, str | None], Awaitable[Edit]],
    *,
    what: str,
    report: Report,
    deadline_s: float,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
    create: bool = False,
) -> GitOpsResult:
    """Put one commit on the branch that `edit` makes of what the branch holds; Skipped where it is nothing.

    As for images: applied again to what others left, nothing forced, and its outcome read from the branch;
    or proposed, and then Waiting.

    Args:
        settings: repository, branch and account.
        edit: returns what is lacking, at the branch's newest commit or at another one.
        what: a word for the branch of a proposal.
        report: told about each wait.
        deadline_s: for everything together.
        protocols: transports that git may use.
        create: make the branch where it is missing, with this commit as its first.

    Raises:
        TerminalError: the branch does not accept the push.
        DeadlineError: time ran out; the push may still be under way.
        TransientError: the last of many tries failed as the ones before.
    """
    wanted = settings.pull_request
    async with git.clone(settings, protocols=protocols, create=create) as copy:
        if wanted is None:
            writer = BranchWriter(settings, copy, partial(edit, copy, None))
            return await _written(writer, settings, report, deadline_s)
        async with pull_requests.PullRequestClient(wanted, _token(settings)) as client:
            proposer = EditProposer(settings, wanted, copy, client, edit, what)
            return await _proposed(proposer, settings, report, deadline_s)


async def check_proposals(settings: GitSettings) -> None:
    """See that pull requests can be opened, where they are to be.

    Raises:
        AccessDeniedError: the account may not.
    """
    if settings.pull_request is not None:
        async with pull_requests.PullRequestClient(settings.pull_request, _token(settings)) as client:
            await client.check()


def _token(settings: GitSettings) -> SecretStr:
    if settings.token is None:
        raise SettingsError("a pull request needs a token of the git server, and none is given")
    return settings.token


def _turn(settings: GitSettings) -> anyio.Lock:
    """Return the lock of a branch: writers of one process queue instead of rejecting each other's pushes.

    Many at once would all read and commit so slowly that none of them is ever first.
    """
    return _TURNS.setdefault((settings.url, settings.branch), anyio.Lock())


async def _written(
    writer: BranchWriter, settings: GitSettings, report: Report, deadline_s: float
) -> GitOpsResult:
    """Write a branch, in turn with the other writers of this process."""
    tries, turn = _Tries(report, settings.branch), _turn(settings)
    with _deadline(tries, deadline_s):
        if done := await _repeated(writer.look, tries):
            return done
        if turn.locked():
            writer.forget()
        async with turn:
            return await _repeated(writer.write, tries)


async def _proposed(
    proposer: Proposer | EditProposer, settings: GitSettings, report: Report, deadline_s: float
) -> GitOpsResult:
    """Propose to a branch: each proposal has a branch of its own, and waits for no turn."""
    tries = _Tries(report, settings.branch)
    with _deadline(tries, deadline_s):
        return await _repeated(proposer.write, tries)


@contextmanager
def _deadline(tries: _Tries, deadline_s: float) -> Iterator[None]:
    try:
        within(deadline_s)
        with anyio.fail_after(deadline_s):
            yield
    except TimeoutError as error:
        raise DeadlineError(
            f"no commit on {tries.branch} within {deadline_s:.0f} s{tries.reason}",
            next_command="run the same command again: what has landed is recognised",
        ) from error


async def _repeated(write: Callable[[int], Awaitable[R]], tries: _Tries) -> R:
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        wait=_BACKOFF,
        stop=stop_after_attempt(TRIES),
        sleep=anyio.sleep,
        before_sleep=tries.failed,
        reraise=True,
    ):
        with attempt:
            return await write(attempt.retry_state.attempt_number)
    raise AssertionError("the last try returns or raises")


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
        self.branch = branch
        self.reason = ""
        self._report = report

    def failed(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        cause = error.cause if isinstance(error, TransientError) else "unknown"
        self.reason = f" (try {state.attempt_number} ended with: {cause})"
        self._report(f"{cause}; trying {self.branch} again in {state.upcoming_sleep:.1f} s")
