"""`hold`: places, lists and lifts holds, as one commit for several services."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from slipway_host import git, gitops, holds, values
from slipway_host.branch_writer import Edit
from slipway_host.errors import SettingsError
from slipway_host.holds import REASON_LIMIT, Hold
from slipway_host.image_change import RUN
from slipway_host.results import Status
from slipway_host.rollback import now
from slipway_host.settings import Deadlines

if TYPE_CHECKING:
    from collections.abc import Collection

    from slipway_host.progress import Report
    from slipway_host.settings import GitSettings, Target


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What was asked for.

    Args:
        targets: the services.
        tag: the image that is meant; nothing for all.
        reason: why; nothing lists the holds.
        by: who.
        lift: take holds away.
        run_id: for the commit.
    """

    targets: tuple[Target, ...]
    tag: str
    reason: str
    by: str
    lift: bool
    run_id: str

    @property
    def changes(self) -> bool:
        """Whether this is more than a question."""
        return self.lift or bool(self.reason)


def check(wanted: Holding) -> None:
    """Refuse what makes no sense, before anything is read.

    Raises:
        SettingsError: it does not.
    """
    if wanted.lift and wanted.reason:
        raise SettingsError("--lift and --reason: one takes a hold away, the other places one")
    if wanted.tag and not values.TAG.fullmatch(wanted.tag):
        raise SettingsError(f"--tag: {wanted.tag[:80]!r} is not an image tag")
    for name, text in (("--reason", wanted.reason), ("--by", wanted.by)):
        if len(text) > REASON_LIMIT or not text.isprintable():
            raise SettingsError(f"{name} has to be one line of at most {REASON_LIMIT} characters")


async def hold(
    settings: GitSettings,
    wanted: Holding,
    *,
    report: Report,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> str:
    """Place or lift holds, and return those that there are afterwards, a line each.

    Raises:
        SettingsError: what was asked for makes no sense.
        DeliveryError: of `gitops.commit_edit`; then nothing has changed.
    """
    check(wanted)
    lines: list[str] = []
    if wanted.changes:
        done = await gitops.commit_edit(
            settings,
            partial(_edit, wanted),
            what=f"{'lift' if wanted.lift else 'hold'}{f'-{wanted.tag}' if wanted.tag else ''}",
            report=report,
            deadline_s=Deadlines().git_s,
            protocols=protocols,
        )
        what = "no change" if done.status is Status.SKIPPED else f"commit {done.commit[:8]}"
        if done.pull_request:
            what = f"nothing has changed yet, merge {done.pull_request}"
        lines.append(f"{done.status}: {what} on {done.branch}")
    async with git.clone(settings, protocols=protocols) as copy:
        await copy.fetch()
        for target in wanted.targets:
            there = await holds.read(copy, target.values)
            said = [f"{target.service}: {one.line()}" for one in there]
            lines += said or [f"{target.service}: nothing is held"]
    return "\n".join(lines)


async def _edit(wanted: Holding, copy: git.Clone, at: str | None) -> Edit:
    """Return what the branch lacks of the wish, or another commit does."""
    files: dict[str, bytes | None] = {}
    apps = []
    # A misspelt application would be held without any effect: its values file has to be there.
    await copy.read([target.values for target in wanted.targets], at=at)
    since = now()
    for target in wanted.targets:
        path, there = holds.path_of(target.values), await holds.read(copy, target.values, at=at)
        if wanted.lift:
            after = holds.lifted(there, wanted.tag)
        else:
            after = holds.added(there, Hold(tag=wanted.tag, reason=wanted.reason, by=wanted.by, since=since))
        if after != there:
            files[path] = holds.text(after) if after else None
            apps.append(target.app)
    verb = "lift the hold" if wanted.lift else "hold"
    which = f" of {wanted.tag}" if wanted.tag else ""
    text = f"chore({', '.join(apps)}): {verb}{which}"
    reason = f"\n\n{wanted.reason}" if wanted.reason else ""
    return Edit(files=files, message=f"{text}{reason}\n\n{RUN}: {wanted.run_id}\n", apps=tuple(apps))
