"""What a branch lacks of the images that it should name, and the commit that puts it there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from slipway_host import holds, image_change, values
from slipway_host.errors import MovedError, PushRejectedError, SupersededError, TerminalError, TransientError
from slipway_host.git_errors import UnexplainedGitError
from slipway_host.image_change import SOURCE_COMMIT, ImageChange, describe, source_of
from slipway_host.plan import digest_of
from slipway_host.results import Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from slipway_host import git
    from slipway_host.errors import DeliveryError
    from slipway_host.settings import GitSettings

# How long a rival's accepted push may take to become visible after ours was rejected for it.
LOOKS_S = (0.1, 0.4, 1.0)
FRESH_S = 0.3
"""What a lost race has shown of the branch is as good as a fetch for so long: one more may lose the next."""

_SHORTEST_HASH = 7


@dataclass(frozen=True, kw_only=True)
class GitOpsResult:
    """What the branch holds now, or what is proposed to it.

    Args:
        status: Skipped where every file names its image already, Waiting where a pull request is open.
        commit: the commit that Argo CD has to hold: ours, or the branch's newest; where a pull request
            is open, the proposed one.
        branch: the branch that was written, or is to be.
        changed: the applications whose files the commit changes.
        attempts: how many times the branch was read and the edit applied.
        pull_request: address of the pull request; empty where none was needed.
        number: the pull request's number at its server.
    """

    status: Status
    commit: str
    branch: str
    changed: tuple[str, ...]
    attempts: int
    pull_request: str = ""
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What a branch lacks.

    Args:
        files: values files that have to change: path → new bytes.
        changes: the changes that these make.
        holds: files that keep the images that were left from coming back: path → new bytes.
    """

    files: dict[str, bytes]
    changes: tuple[ImageChange, ...]
    holds: dict[str, bytes] = field(default_factory=dict)

    @property
    def apps(self) -> tuple[str, ...]:
        """The applications whose files have to change."""
        return tuple(change.app for change in self.changes)


async def pending(copy: git.Clone, changes: Sequence[ImageChange]) -> Pending:
    """Return what the branch lacks at the copy's `head`.

    Raises:
        SupersededError: a newer deploy of an application has landed.
        HeldError: a hold keeps the image away.
        MovedError: a file is another one than a saved plan saw.
        SettingsError: a file does not allow the edit.
    """
    files = await copy.read([change.path for change in changes])
    edited, wanting, kept = {}, [], {}
    for change in changes:
        before = files[change.path]
        after = image_change.edit(before, change)
        if after != before:
            if change.before not in {None, digest_of(before)}:
                raise MovedError(
                    f"{change.path} is not what the plan saw: it names tag {values.read_tag(before)} now"
                )
            there = await holds.read(copy, change.path)
            # A rollback is somebody's own decision: it only may not bring back what is held.
            binding = [hold for hold in there if hold.tag] if change.rolled_back else there
            holds.refuse(binding, name=change.service or change.app, tag=change.tag)
            await _refuse_regression(copy, change, values.read_tag(before))
            edited[change.path] = after
            wanting.append(change)
            if change.hold:
                kept[holds.path_of(change.path)] = holds.text(holds.added(there, change.hold))
    return Pending(files=edited, changes=tuple(wanting), holds=kept)


async def _refuse_regression(copy: git.Clone, change: ImageChange, current: str | None) -> None:
    if change.ancestors is None or current is None or current == change.tag:
        return
    # The usual tag is the beginning of its commit's hash: then no history has to be fetched.
    if len(current) >= _SHORTEST_HASH and any(ancestor.startswith(current) for ancestor in change.ancestors):
        return
    last = await copy.last_commit(change.path, trailer=SOURCE_COMMIT)
    source = source_of(last.values, change.app) if last else None
    if last is None or source is None or source in {change.source_commit, *change.ancestors}:
        return
    then = await copy.read([change.path], at=last.commit)
    # Somebody else has written another tag since: how old that one is, nobody knows.
    if values.read_tag(then[change.path]) == current:
        raise SupersededError(
            f"{change.app} runs {current} of commit {source}, which is not part of "
            f"{change.source_commit}: a newer deploy has landed",
            next_command=f"deploy a commit that contains {source}, or roll back on purpose",
        )


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What one commit changes on top of the branch's newest one.

    Args:
        files: path → new bytes, None for a file that goes; empty where nothing is to be done.
        message: the commit's.
        apps: the applications whose files these are.
    """

    files: Mapping[str, bytes | None]
    message: str
    apps: tuple[str, ...]


async def images(copy: git.Clone, changes: Sequence[ImageChange], *, run_id: str, template: str) -> Edit:
    """Return the edit that puts the images on the branch; as `pending`, it raises."""
    lacks = await pending(copy, changes)
    message = describe(lacks.changes, run_id, template) if lacks.files else ""
    return Edit(files={**lacks.files, **lacks.holds}, message=message, apps=lacks.apps)


class BranchWriter:
    """One commit on its way to the branch, over as many tries as it takes."""

    def __init__(self, settings: GitSettings, copy: git.Clone, wanted: Callable[[], Awaitable[Edit]]) -> None:
        self._settings = settings
        self._copy = copy
        self._wanted = wanted
        self._made: dict[str, tuple[str, ...]] = {}
        self._seen: Edit | None = None
        self._read_at = -FRESH_S

    async def look(self, attempt: int) -> GitOpsResult | None:
        """Read the branch, and return what it holds where that is all that it needs; else None.

        Writes nothing, so it needs no turn: whoever has nothing to write does not queue, and whoever has
        has the files by then, which makes a turn short.
        """
        head = await self._copy.fetch()
        self._seen = await self._wanted()
        return None if self._seen.files else self._result(Status.SKIPPED, head, (), attempt)

    def forget(self) -> None:
        """Read the branch again before the next write: others have had their turns since the look."""
        self._seen = None

    async def write(self, attempt: int) -> GitOpsResult:
        """Read the branch, commit what it lacks, push, and return what the branch holds then."""
        head, edit, self._seen = self._copy.head, self._seen, None
        if edit is None:
            if anyio.current_time() - self._read_at > FRESH_S:
                await self._copy.fetch()
            head = self._copy.head
            # A push whose answer was lost may have landed since.
            if landed := await self._landed(attempt):
                return landed
            edit = await self._wanted()
        if not edit.files:
            return self._result(Status.SKIPPED, head, (), attempt)
        commit = await self._copy.commit(edit.files, edit.message)
        self._made[commit] = edit.apps
        try:
            await self._copy.push(commit)
        except (TransientError, UnexplainedGitError) as error:
            return await self._judge(head, error, attempt)
        return self._result(Status.SUCCEEDED, commit, edit.apps, attempt)

    async def _judge(self, head: str, error: DeliveryError, attempt: int) -> GitOpsResult:
        """Return the result of a push that seems to have failed, or raise what comes of it."""
        for pause in (0.0, *LOOKS_S):
            await anyio.sleep(pause)
            await self._copy.fetch()
            if landed := await self._landed(attempt):
                return landed
            if self._copy.head != head:
                self._read_at = anyio.current_time()
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

    def _result(self, status: Status, commit: str, changed: tuple[str, ...], attempt: int) -> GitOpsResult:
        return GitOpsResult(
            status=status,
            commit=commit,
            branch=self._settings.branch,
            changed=changed,
            attempts=attempt,
        )
