"""Previews: an environment for each branch or pull request, made and taken away again (R29)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from slipway_host import (
    environments,
    git,
    gitops,
    preview_cluster,
    preview_database,
    preview_files,
    targets,
)
from slipway_host.branch_writer import Edit
from slipway_host.caller import command
from slipway_host.each import Outcome, each
from slipway_host.errors import (
    SettingsError,
)
from slipway_host.image_change import RUN
from slipway_host.results import StageResult, Status
from slipway_host.settings import Deadlines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slipway_host.call import Call
    from slipway_host.gitops import GitOpsResult
    from slipway_host.kube import KubeClient
    from slipway_host.postgres import SqlRunner
    from slipway_host.preview_model import Preview
    from slipway_host.settings import Target

_BESIDES = (".hold",)


@dataclass(frozen=True)
class _Copy:
    """A service's application in a preview, and the one that it is a copy of."""

    base: Target
    target: Target
    preview: Preview


async def preview(call: Call) -> Outcome:
    """Make the applications of a preview where they are not there, and wait until Argo CD has them.

    Each is a copy of the same service's application in another environment, in a namespace and with a
    database of its own; which version runs there, a deploy says.

    Raises:
        SettingsError: the environment is none of previews.
        DeliveryError: of `gitops.commit_edit`.
    """
    copies = _copies(call)
    done = await _commit(call, partial(_adding, call, copies), what="preview")
    if done.status is Status.WAITING:
        return Outcome(f"{done.status}: nothing is there yet, merge {done.pull_request}")

    async def one(kube: KubeClient, copy: _Copy) -> StageResult:
        app = await preview_cluster.until_there(call.applications(kube), copy.base, copy.target, call.report)
        made = "made" if copy.target.app in done.changed else "there already"
        return StageResult(
            stage="preview",
            status=Status.SUCCEEDED if copy.target.app in done.changed else Status.SKIPPED,
            summary=f"Application {app.name}, namespace {copy.target.namespace}: {made}",
        )

    return await _side_by_side(call, "preview", copies, one)


async def remove(call: Call, *, confirm: str) -> Outcome:
    """Take a preview away: its applications, their databases, and its namespaces.

    Args:
        call: the services.
        confirm: the environment's name, since nothing of it comes back.

    Raises:
        SettingsError: the environment is none of previews, or was not confirmed.
        DeliveryError: of `gitops.commit_edit`.
    """
    copies = _copies(call)
    if confirm != call.environment:
        raise SettingsError(
            f"--confirm has to be {call.environment}: its databases and everything in them go",
            next_command=command("remove-preview", f"--confirm={call.environment}"),
        )
    settled = await call.postgres() if any(copy.target.database for copy in copies) else None
    async with call.cluster() as kube:
        parents = {
            copy.target.app: await preview_cluster.manager(call.applications(kube), copy.target)
            for copy in copies
        }
        done = await _commit(call, partial(_removing, call, copies), what="remove-preview")
    if done.status is Status.WAITING:
        return Outcome(f"{done.status}: nothing has gone yet, merge {done.pull_request}")

    async def one(kube: KubeClient, copy: _Copy) -> StageResult:
        target = copy.target
        gone = ["folder"] if target.app in done.changed else []
        if await preview_cluster.until_gone(
            call.applications(kube), target, parents[target.app], call.report
        ):
            gone.append("Application")
        if target.database and settled:
            sql: SqlRunner = await call.delivery(target, kube).sql(settled)
            if await preview_database.drop(sql, target.database, deadline_s=Deadlines().database_s):
                gone.append(f"database {target.database.name}")
        return StageResult(
            stage="remove-preview",
            status=Status.SUCCEEDED if gone else Status.SKIPPED,
            summary=f"{target.app}: removed {', '.join(gone)}" if gone else f"{target.app}: nothing is there",
        )

    outcome = await _side_by_side(call, "remove-preview", copies, one)
    if outcome.error:
        return outcome
    # Last: an Application that is still there would make it anew.
    async with call.cluster() as kube:
        gone = [
            f"\nnamespace {name}: removed"
            for name in _namespaces(call)
            if await preview_cluster.without_namespace(kube, name, call.report)
        ]
    return Outcome(outcome.text + "".join(gone))


def _copies(call: Call) -> list[_Copy]:
    found = []
    for target in call.targets:
        wanted = call.config.environment(call.environment, target.service).preview
        if wanted is None:
            known = [key for key in environments.known_environments(call.config.environments) if "*" in key]
            raise SettingsError(
                f"{call.environment} is no preview: only a pattern in `environments` with `preview` makes "
                f"some, and there is {', '.join(known) or 'none'}",
                next_command=command("config"),
            )
        base = targets.target_of(call.config, target.service, environment=wanted.from_, commit=target.commit)
        found.append(_Copy(base, target, wanted))
    return found


async def _commit(
    call: Call, edit: Callable[[git.Clone, str | None], Awaitable[Edit]], *, what: str
) -> GitOpsResult:
    return await gitops.commit_edit(
        await call.git(),
        edit,
        what=f"{what}-{call.environment}",
        report=call.report,
        deadline_s=Deadlines().git_s,
    )


async def _adding(call: Call, copies: list[_Copy], repository: git.Clone, at: str | None) -> Edit:
    files: dict[str, bytes | None] = {}
    apps = []
    for copy in copies:
        if await repository.find(copy.target.values, at=at) is not None:
            continue
        folder = posixpath.dirname(copy.base.values)
        if not folder or posixpath.dirname(copy.target.values) == folder:
            raise SettingsError(
                f"{copy.base.values} and {copy.target.values}: a preview needs a folder of its own",
                next_command="set gitops.values to apps/{app}/values.yaml",
            )
        await repository.read([copy.base.values], at=at)
        names = await repository.names(folder, at=at)
        kept = {path: oid for path, oid in names.items() if not path.endswith(_BESIDES)}
        contents = await repository.contents(list(kept.values()))
        found: Mapping[str, bytes] = {path: contents[oid] for path, oid in kept.items()}
        files |= preview_files.copied(found, copy.base, copy.target, copy.preview)
        apps.append(copy.target.app)
    return Edit(files=files, message=_message(call, apps, "add preview"), apps=tuple(apps))


async def _removing(call: Call, copies: list[_Copy], repository: git.Clone, at: str | None) -> Edit:
    files: dict[str, bytes | None] = {}
    apps = []
    for copy in copies:
        folder = posixpath.dirname(copy.target.values)
        if names := await repository.names(folder, at=at):
            files |= dict.fromkeys(names, None)
            apps.append(copy.target.app)
    return Edit(files=files, message=_message(call, apps, "remove preview"), apps=tuple(apps))


def _message(call: Call, apps: list[str], what: str) -> str:
    return f"chore({', '.join(apps)}): {what}\n\n{RUN}: {call.run_id}\n"


async def _side_by_side(
    call: Call,
    name: str,
    copies: list[_Copy],
    act: Callable[[KubeClient, _Copy], Awaitable[StageResult]],
) -> Outcome:
    async with call.cluster() as kube:

        async def one(copy: _Copy) -> str:
            done = await call.record(name, copy.target).stage(name, partial(act, kube, copy))
            return f"{done.status}: {done.summary}"

        return await each(name, {copy.target.service: partial(one, copy) for copy in copies})


def _namespaces(call: Call) -> list[str]:
    """Return the namespaces of which this call concerns every service."""
    chosen = {target.service for target in call.targets}
    services: dict[str, set[str]] = {}
    for name in call.config.services:
        services.setdefault(targets.namespace_of(call.config, name, call.environment), set()).add(name)
    return [namespace for namespace, names in services.items() if names <= chosen]
