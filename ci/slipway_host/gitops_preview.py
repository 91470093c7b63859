"""What a deploy would commit to the GitOps repository: by the code that commits, without a commit."""

from __future__ import annotations

import difflib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host import chart, git, holds, values
from slipway_host.branch_writer import images
from slipway_host.errors import DeliveryError, TerminalError, quote
from slipway_host.image_change import check
from slipway_host.plan import CommitPlan, FilePlan, digest_of
from slipway_host.proposal import branch_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from slipway_host.application import Application
    from slipway_host.branch_writer import Edit
    from slipway_host.image_change import ImageChange
    from slipway_host.settings import GitSettings

RUN = "<run>"
UNKNOWN = "sha256:" + "0" * 64
"""Stands for the digest of an image that is yet to be built, where a commit has to have one."""
UNKNOWN_JOB = "<Job, known after the push>"
UNKNOWN_SHOWN = "<digest, known after the push>"
HISTORY = 50


@dataclass(frozen=True, kw_only=True)
class GitOpsPreview:
    """What would be committed.

    Args:
        head: the branch's newest commit.
        commits: one for all, or where they are refused together, one for each that is not.
        before: digest of each values file, by application.
        facts: what this rests on, by application.
        refused: what stops an application.
    """

    head: str
    commits: tuple[CommitPlan, ...]
    before: dict[str, str]
    facts: dict[str, dict[str, str]]
    refused: dict[str, DeliveryError]


async def preview(
    settings: GitSettings,
    changes: Sequence[ImageChange],
    *,
    apps: Mapping[str, Application],
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> GitOpsPreview:
    """Return what `gitops.commit_images` would do with these changes now.

    Args:
        settings: repository, branch and account.
        changes: one per application; `UNKNOWN` for a digest that nobody knows yet.
        apps: the Applications that there are, by name: their charts count as well.
        protocols: transports that git may use.

    Raises:
        DeliveryError: the repository cannot be read.
    """
    check(changes, RUN, settings.message)
    async with git.clone(settings, protocols=protocols) as copy:
        looks = _Looks(settings, copy, await copy.fetch())
        commits, refused = await looks.commits(changes)
        facts, before = {}, {}
        for change in changes:
            data = await copy.find(change.path)
            if data is not None:
                before[change.app] = digest_of(data)
                facts[change.app] = await looks.facts(change, data, apps.get(change.app))
        return GitOpsPreview(
            head=looks.head, commits=tuple(commits), before=before, facts=facts, refused=refused
        )


class _Looks:
    def __init__(self, settings: GitSettings, copy: git.Clone, head: str) -> None:
        self.head = head
        self._settings, self._copy = settings, copy

    async def commits(
        self, changes: Sequence[ImageChange]
    ) -> tuple[list[CommitPlan], dict[str, DeliveryError]]:
        """Return the commits and what is refused, as a deploy tries it: all at once, then each by itself."""
        try:
            edit = await images(self._copy, changes, run_id=RUN, template=self._settings.message)
        except TerminalError as error:
            if len(changes) == 1:
                return [], {changes[0].app: error.at("gitops")}
            found: list[CommitPlan] = []
            refused: dict[str, DeliveryError] = {}
            for change in changes:
                one, wrong = await self.commits([change])
                found += one
                refused |= wrong
            return found, refused
        return ([await self._commit(changes, edit)] if edit.files else []), {}

    async def _commit(self, changes: Sequence[ImageChange], edit: Edit) -> CommitPlan:
        files, wanted = [], self._settings.pull_request
        name, proposed = "", False
        for path, data in edit.files.items():
            before = await self._copy.find(path)
            files.append(
                FilePlan(
                    path=path, before=digest_of(before or b""), diff=diff(path, before or b"", data or b"")
                )
            )
        if wanted:
            changed = [change for change in changes if change.app in edit.apps]
            name = branch_name(wanted.environment, changed)
            tip = await self._copy.fetch_tip(name)
            there = {path: await self._copy.find(path, at=tip) for path in edit.files} if tip else None
            proposed = there == dict(edit.files)
        return CommitPlan(
            apps=edit.apps,
            message=edit.message.replace(UNKNOWN, UNKNOWN_SHOWN),
            files=tuple(files),
            proposal=name,
            proposed=proposed,
        )

    async def facts(self, change: ImageChange, data: bytes, app: Application | None) -> dict[str, str]:
        """Return what the branch says of one application."""
        held = await self._copy.find(holds.path_of(change.path))
        try:
            said = "; ".join(one.line() for one in holds.parse(held, change.path)) or "none"
        except DeliveryError as error:
            said = error.cause
        tag, digest = values.read_tag(data), digest_of(data)
        folders = chart.folders(app.body["spec"], self._copy) if app else []
        # The root changes with every commit, of other applications as well: it tells nothing.
        charts = {f"folder {path}": (await self._copy.object_id(path))[:12] for path in folders if path}
        return {
            **charts,
            values_fact(change.path): f"tag {tag or 'none'}, {digest[:19]}…",
            f"holds of {change.app}": said,
        }


def values_fact(path: str) -> str:
    """Return the name of the fact that a values file is."""
    return f"file {path}"


def diff(path: str, before: bytes, after: bytes) -> str:
    """Return a unified diff as git shows it; bytes that are no UTF-8 as escapes."""
    # Lines end with a line feed and with nothing else: a carriage return is part of one.
    old, new = (
        list(io.StringIO(data.decode(errors="backslashreplace"), newline="\n")) for data in (before, after)
    )
    lines = difflib.unified_diff(old, new, f"a/{path}" if before else "/dev/null", f"b/{path}")
    marked = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return "".join(marked).replace(UNKNOWN, UNKNOWN_SHOWN)


async def mover(
    settings: GitSettings,
    path: str,
    *,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> str:
    """Return who changed a file of the branch last, for people; empty where the history does not tell."""
    try:
        async with git.clone(settings, protocols=protocols, depth=HISTORY) as copy:
            await copy.fetch()
            while not (found := await copy.versions(path)):
                if not await copy.deepen():
                    return ""
            newest, subject = found[0], found[0].message.partition("\n")[0]
            return quote(
                f"commit {newest.commit[:8]} of {newest.author}, {newest.when}: {subject}", limit=300
            )
    except DeliveryError:
        # The reason to ask is told anyway.
        return ""
