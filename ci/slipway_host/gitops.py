"""The GitOps commit: the images that Argo CD should run, written to the branch that it watches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

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
    SettingsError,
    SupersededError,
    TerminalError,
    TransientError,
)
from slipway_host.results import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from slipway_host.progress import Report
    from slipway_host.settings import GitSettings

MESSAGE = "chore({app}): update image tag to {tag}"
SOURCE_COMMIT = "Slipway-Source-Commit"
SOURCE_URL = "Slipway-Source-Url"
IMAGE_DIGEST = "Slipway-Image-Digest"
RUN = "Slipway-Run"

TRIES = 15
_BACKOFF = wait_random_exponential(multiplier=0.1, max=5)
# How long a rival's accepted push may take to become visible after ours was rejected for it.
_LOOKS_S = (0.1, 0.4, 1.0)

_FULL_HASH = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SHORTEST_HASH = 7


@dataclass(frozen=True, kw_only=True)
class ImageChange:
    """The image that one application is to run.

    Args:
        app: the application's name, for the commit message.
        path: its values file in the GitOps repository.
        tag: the image tag.
        digest: the image's digest, for the commit message; also written where the file has one.
        write_digest: write the digest to a file that has none, too.
        source_commit: full hash of the commit that the image was built from.
        source_url: where people find that commit's repository.
        ancestors: full hashes of the source commit's ancestors. Known, they keep this deploy from
            replacing a newer one (fault 62); None skips that check, as a rollback has to.
    """

    app: str
    path: str
    tag: str
    digest: str | None
    write_digest: bool
    source_commit: str
    source_url: str | None = None
    ancestors: frozenset[str] | None = None


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
    _check(changes, run_id, message)
    tries = _Tries(report, settings.branch)
    try:
        with anyio.fail_after(deadline_s):
            async with git.clone(settings, protocols=protocols) as copy:
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
    if not (_FULL_HASH.fullmatch(commit) and _FULL_HASH.fullmatch(revision)):
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
            after = _edit(before, change)
            if after != before:
                await self._refuse_regression(change, values.read_tag(before))
                edited[change.path] = after
                changed.append(change)
        if not edited:
            return self._result(Status.SKIPPED, head, (), attempt)
        commit = await self._copy.commit(edited, _describe(changed, self._run_id, self._message))
        self._made[commit] = tuple(change.app for change in changed)
        try:
            await self._copy.push(commit)
        except (TransientError, git.UnexplainedGitError) as error:
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
        source = _source(last.values, change.app) if last else None
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


def _check(changes: Sequence[ImageChange], run_id: str, message: str) -> None:
    if not changes:
        raise SettingsError("no application to deploy was named")
    paths = [change.path for change in changes]
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise SettingsError(f"two applications share the values file {', '.join(sorted(twice))}")
    for change in changes:
        if not _FULL_HASH.fullmatch(change.source_commit):
            raise SettingsError(f"{change.app}: {change.source_commit[:80]!r} is not a full commit hash")
        if change.write_digest and change.digest is None:
            raise SettingsError(f"{change.app}: the digest is to be written, and none is known")
    if not run_id.isprintable():
        raise SettingsError("the run's id has to be one line")
    unknown = set(re.findall(r"\{[^}]*\}?", message)) - {"{app}", "{tag}"}
    if unknown or not message.strip() or not message.isprintable():
        what = f"unknown {', '.join(sorted(unknown))}" if unknown else "expected one line"
        raise SettingsError(f"the commit message {message[:80]!r}: {what}; use {{app}} and {{tag}}")


def _edit(data: bytes, change: ImageChange) -> bytes:
    # A digest beside the tag decides what runs, so one that is there always follows the tag.
    wanted = change.write_digest or values.read_digest(data) is not None
    digest = change.digest if wanted else None
    return values.set_image(data, tag=change.tag, digest=digest, path=change.path)


def _describe(changes: Sequence[ImageChange], run_id: str, message: str) -> str:
    tags = list(dict.fromkeys(change.tag for change in changes))
    apps = ", ".join(change.app for change in changes)
    paragraphs = [message.replace("{app}", apps).replace("{tag}", ", ".join(tags))]
    if len(tags) > 1:
        paragraphs.append("\n".join(f"{change.app}: {change.tag}" for change in changes))
    trailers = []
    for change in changes:
        # The value comes first: whoever reads one word of a trailer has it, named or not.
        name = f" ({change.app})" if len(changes) > 1 else ""
        trailers.append(f"{SOURCE_COMMIT}: {change.source_commit}{name}")
        if change.source_url:
            trailers.append(f"{SOURCE_URL}: {_without_credentials(change.source_url)}{name}")
        if change.digest:
            trailers.append(f"{IMAGE_DIGEST}: {change.digest}{name}")
    trailers.append(f"{RUN}: {run_id}")
    return "\n\n".join([*paragraphs, "\n".join(trailers)]) + "\n"


def _source(trailers: Sequence[str], app: str) -> str | None:
    """Return the commit that the trailers name for an application, or for the only one."""
    for trailer in trailers:
        commit, _, name = trailer.partition(" ")
        if name in {"", f"({app})"} and _FULL_HASH.fullmatch(commit):
            return commit
    return None


def _without_credentials(url: str) -> str:
    """Return the address alone: a CI's remote often holds its token."""
    if "://" not in url:
        return "".join(url.split())
    parts = urlsplit("".join(url.split()))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
