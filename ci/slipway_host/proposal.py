"""The GitOps commit as a pull request, for branches that nobody pushes to.

One branch per environment, applications and tag, so that a re-run finds what the run before it made; one
commit on it, so that it merges whichever way the team merges.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from slipway_host.branch_writer import LOOKS_S, GitOpsResult, Pending, pending
from slipway_host.errors import (
    ConflictError,
    DeadlineError,
    PushRejectedError,
    ServiceUnavailableError,
    TerminalError,
    TransientError,
)
from slipway_host.git_errors import UnexplainedGitError
from slipway_host.image_change import RUN, ImageChange, describe, trailers
from slipway_host.progress import within
from slipway_host.results import Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from slipway_host import git
    from slipway_host.branch_writer import Edit
    from slipway_host.progress import Report
    from slipway_host.pull_requests import PullRequestClient
    from slipway_host.settings import GitSettings, PullRequestSettings

_NAME_LIMIT = 150
POLL_S = (2.0, 30.0)
"""First and longest pause between two looks at a pull request."""


def branch_name(environment: str, changes: Sequence[ImageChange]) -> str:
    """Return the branch of a proposal: `slipway/<env>/<app>_<app>-<tag>`.

    Unambiguous, since no application's name has an underscore; too many names are cut, and told apart by
    a digest of all.
    """
    apps = "_".join(sorted(change.app for change in changes))
    tags = "_".join(sorted({change.tag for change in changes}))
    left = "_".join(sorted({change.rolled_back for change in changes if change.rolled_back}))
    # A branch of the deploy that is returned to may still be there: it is another proposal.
    name = f"{apps}-{left}-back-to-{tags}" if left else f"{apps}-{tags}"
    if len(name) > _NAME_LIMIT:
        name = f"{name[:_NAME_LIMIT].rstrip('.-_')}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return f"slipway/{environment}/{name}"


def body(changes: Sequence[ImageChange], environment: str) -> str:
    """Return what a reviewer reads; equal for equal changes, so that a re-run edits nothing."""
    rows = [
        f"| {change.app} | `{change.tag}` | {f'`{change.digest}`' if change.digest else ''} "
        f"| {f'`{change.source_commit}`' if change.source_commit else ''} | `{change.path}` |"
        for change in changes
    ]
    head = [
        "| application | tag | digest | source commit | file |",
        "| --- | --- | --- | --- | --- |",
    ]
    intro = f"Merging this deploys to `{environment}`:"
    # A squash may take this text as its message: the history keeps its trailers then, too.
    return "\n\n".join([intro, "\n".join([*head, *rows]), "\n".join(trailers(changes))])


class Proposer:
    """One commit on its way into a pull request, over as many tries as it takes."""

    def __init__(
        self,
        settings: GitSettings,
        wanted: PullRequestSettings,
        copy: git.Clone,
        client: PullRequestClient,
        changes: Sequence[ImageChange],
        run_id: str,
    ) -> None:
        self._settings = settings
        self._wanted = wanted
        self._copy = copy
        self._client = client
        self._changes = changes
        self._run_id = run_id

    async def write(self, attempt: int) -> GitOpsResult:
        """Put what the branch lacks on a branch of its own, and open or update its pull request."""
        head = await self._copy.fetch()
        lacks = await pending(self._copy, self._changes)
        result = GitOpsResult(
            status=Status.SKIPPED,
            commit=head,
            branch=self._settings.branch,
            changed=lacks.apps,
            attempts=attempt,
        )
        if not lacks.files:
            return result
        name = branch_name(self._wanted.environment, lacks.changes)
        message = describe(lacks.changes, self._run_id, self._settings.message)
        commit = await self._proposed(name, lacks, message)
        request = await self._client.ensure(
            head=name,
            base=self._settings.branch,
            title=message.partition("\n")[0],
            body=body(lacks.changes, self._wanted.environment),
        )
        return replace(
            result, status=Status.WAITING, commit=commit, pull_request=request.url, number=request.number
        )

    async def _proposed(self, name: str, lacks: Pending, message: str) -> str:
        """Return the commit on the proposal's branch, pushed unless it says the same already."""
        tip = await self._copy.fetch_tip(name)
        if tip and await self._copy.read(list(lacks.files), at=tip) == lacks.files:
            return tip
        return await _put(self._copy, name, {**lacks.files, **lacks.holds}, message, instead_of=tip)


class EditProposer:
    """Any other commit on its way into a pull request.

    Args:
        settings: the repository.
        wanted: where pull requests are opened.
        copy: the repository's copy.
        client: of the server.
        edit: returns what is lacking, at the branch's newest commit or at another one.
        what: last part of the branch's name.
    """

    def __init__(
        self,
        settings: GitSettings,
        wanted: PullRequestSettings,
        copy: git.Clone,
        client: PullRequestClient,
        edit: Callable[[git.Clone, str | None], Awaitable[Edit]],
        what: str,
    ) -> None:
        self._branch, self._environment = settings.branch, wanted.environment
        self._copy, self._client, self._edit, self._what = copy, client, edit, what

    async def write(self, attempt: int) -> GitOpsResult:
        """Put what the branch lacks on a branch of its own, and open or update its pull request."""
        head = await self._copy.fetch()
        lacks = await self._edit(self._copy, None)
        result = GitOpsResult(
            status=Status.SKIPPED, commit=head, branch=self._branch, changed=lacks.apps, attempts=attempt
        )
        if not lacks.files:
            return result
        name = f"slipway/{self._environment}/{'_'.join(sorted(lacks.apps))[:_NAME_LIMIT]}-{self._what}"
        commit = await self._copy.fetch_tip(name)
        # A proposal that lacks nothing is left as it is, though this one would have another time in it.
        if commit is None or (await self._edit(self._copy, commit)).files:
            commit = await _put(self._copy, name, lacks.files, lacks.message, instead_of=commit)
        title, _, text = lacks.message.partition("\n")
        request = await self._client.ensure(head=name, base=self._branch, title=title, body=text.strip())
        return replace(
            result, status=Status.WAITING, commit=commit, pull_request=request.url, number=request.number
        )


async def _put(
    copy: git.Clone, name: str, files: Mapping[str, bytes | None], message: str, *, instead_of: str | None
) -> str:
    """Make the one commit of a proposal's branch, in place of Slipway's own that is there."""
    if instead_of and not await copy.trailers(instead_of, RUN):
        raise ConflictError(
            f"branch {name} has a commit that Slipway did not make",
            next_command=f"merge or delete {name}",
        )
    commit = await copy.commit(files, message)
    try:
        await copy.push(commit, branch=name, instead_of=instead_of)
    except (TransientError, UnexplainedGitError) as error:
        for pause in (0.0, *LOOKS_S):
            await anyio.sleep(pause)
            now = await copy.fetch_tip(name)
            if now == commit:
                return commit
            if now != instead_of:
                raise PushRejectedError(f"{name} moved while this commit was made") from error
            if not isinstance(error, PushRejectedError):
                raise
        raise TerminalError(error.cause) from error
    return commit


async def wait_merged(
    client: PullRequestClient, proposed: GitOpsResult, *, deadline_s: float, report: Report
) -> str:
    """Wait until people have merged a pull request, and return the merge's commit, or nothing.

    Raises:
        TerminalError: it was closed instead.
        DeadlineError: time ran out; the pull request stays open.
    """
    where, pause = proposed.pull_request, POLL_S[0]
    report(f"waiting for the merge of {where}")
    within(deadline_s)
    with anyio.move_on_after(deadline_s):
        while True:
            try:
                request = await client.read(proposed.number)
            except ServiceUnavailableError as error:
                report(f"{error.cause}; asking again in {pause:.0f} s")
            else:
                if request.merged:
                    return request.merge_commit
                if request.state == "closed":
                    raise TerminalError(
                        f"{where} was closed without a merge: nothing is deployed",
                        next_command="reopen it, or run the same command again to propose it anew",
                    )
            await anyio.sleep(pause)
            pause = min(2 * pause, POLL_S[1])
    raise DeadlineError(
        f"{where} was not merged within {deadline_s:.0f} s: it stays open",
        next_command="merge it, then run the same command again",
    )


async def landed(
    copy: git.Clone, changes: Sequence[ImageChange], proposed: GitOpsResult, merge: str
) -> GitOpsResult:
    """Return what the branch holds after the merge.

    Raises:
        ConflictError: the branch names another image by now, or the merge changed the file.
    """
    lacks = None
    # People have merged: what a saved plan saw in the files is over.
    changes = [replace(change, before=None) for change in changes]
    # The server tells of a merge a moment before its git side shows it.
    for pause in (0.0, *LOOKS_S, 2.0):
        await anyio.sleep(pause)
        head = await copy.fetch()
        lacks = await pending(copy, changes)
        if not lacks.files:
            commit = merge if merge and await copy.is_ancestor(merge, head) else head
            return replace(proposed, status=Status.SUCCEEDED, commit=commit)
    apps = ", ".join(lacks.apps) if lacks else ""
    raise ConflictError(
        f"{proposed.pull_request} is merged, and {proposed.branch} does not name its image of {apps}",
        next_command=f"look at the newest commits of {proposed.branch}",
    )
