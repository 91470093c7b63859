"""The functions by which people step in: the same for `dagger call` and `slipway-host`."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

from slipway_host import git, holding, promotion, rollback, rotation, targets
from slipway_host import undo as emergency
from slipway_host.caller import command
from slipway_host.each import NOBODY, Outcome, each
from slipway_host.errors import SettingsError
from slipway_host.results import StageResult, Status
from slipway_host.settings import Deadlines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from slipway_host.call import Call
    from slipway_host.kube import KubeClient
    from slipway_host.settings import Target


async def hold(call: Call, *, reason: str, tag: str, by: str, lift: bool) -> Outcome:
    """Stop, list or let go deploys of services; as `holding.hold`."""
    if not call.targets:
        return Outcome(NOBODY)
    wanted = holding.Holding(
        targets=call.targets, tag=tag, reason=reason, by=by or call.by, lift=lift, run_id=call.run_id
    )
    settings = await call.git()
    runs = [call.record("hold", target) for target in call.targets] if wanted.changes else []
    for run in runs:
        run.begin("hold")
    said = await holding.hold(settings, wanted, report=call.report)
    done = StageResult(stage="hold", status=Status.SUCCEEDED, summary=said.partition("\n")[0])
    for run in runs:
        run.record("hold", done, 0)
    return Outcome(said)


async def undo(call: Call, *, to_revision: int, by: str, chosen: bool) -> Outcome:
    """Return workloads to earlier pods at once, and suspend Argo CD's automated sync.

    Args:
        call: the services.
        to_revision: as in `kubectl rollout history`; 0 for the one before now.
        by: who.
        chosen: the services were named: an emergency of all of them is nobody's default.
    """
    if to_revision < 0:
        raise SettingsError("--to-revision is a number of kubectl rollout history")
    _refuse_all(call, "undo", chosen=chosen)
    since = rollback.now()

    async def one(kube: KubeClient, target: Target) -> StageResult:
        return await emergency.undo(
            kube,
            call.applications(kube),
            target,
            number=to_revision,
            by=by or call.by,
            since=since,
            report=call.report,
            deadline_s=target.rollout_s,
        )

    return await _stage(call, "undo", one)


async def resume(call: Call) -> Outcome:
    """Give Argo CD back what `undo` has taken from it."""

    async def one(kube: KubeClient, target: Target) -> StageResult:
        return await emergency.resume(
            call.applications(kube), target, report=call.report, deadline_s=Deadlines().sync_s
        )

    return await _stage(call, "resume", one)


async def promote(call: Call, *, full: bool, chosen: bool) -> Outcome:
    """Lead paused Rollouts on.

    Args:
        call: the services.
        full: skip what is left of their steps.
        chosen: the services were named.
    """
    _refuse_all(call, "promote", chosen=chosen)

    async def one(kube: KubeClient, target: Target) -> StageResult:
        report, deadline_s = call.report, target.rollout_s
        return await promotion.promote(kube, target, full=full, report=report, deadline_s=deadline_s)

    return await _stage(call, "promote", one)


async def abort(call: Call, *, chosen: bool) -> Outcome:
    """Give the new versions of Rollouts up that are on their way."""
    _refuse_all(call, "abort", chosen=chosen)

    async def one(kube: KubeClient, target: Target) -> StageResult:
        return await promotion.abort(kube, target, report=call.report, deadline_s=target.rollout_s)

    return await _stage(call, "abort", one)


async def sync(call: Call, *, terminate: bool) -> Outcome:
    """Have Argo CD apply the newest commit of the branch; `terminate` ends what blocks it."""
    if not call.targets:
        return Outcome(NOBODY)
    settings = await call.git()
    async with git.clone(settings, content=False) as copy:
        commit = await copy.fetch()

    async def one(kube: KubeClient, target: Target) -> StageResult:
        return await call.delivery(target, kube).sync(settings, commit, terminate=terminate)

    return await _stage(call, "sync", one)


async def rotate(call: Call, *, key: Sequence[str], confirm: str, name: str) -> Outcome:
    """Give keys of one Secret new values, and replace every pod that reads it.

    Args:
        call: services with the same Secret.
        key: keys of it.
        confirm: its name.
        name: of the rotation; without it, today's date.
    """
    secrets = {(target.namespace, target.secrets.name) for target in call.targets}
    if len(secrets) != 1:
        raise SettingsError(
            f"one Secret at a time: there are {', '.join(sorted(name for _, name in secrets))}",
            next_command=command("rotate", f"--service={call.targets[0].service}"),
        )
    # The service that makes the key comes first; whoever else reads the Secret gets new pods as well.
    first = next((target for target in call.targets if _makes(target, key)), call.targets[0])
    others = [
        targets.target_of(call.config, name, environment=call.environment, commit=first.commit)
        for name in call.config.services
        if name != first.service
    ]
    readers = [target for target in others if (target.namespace, target.secrets.name) in secrets]
    plan = rotation.rotation(
        name=name or f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        keys=key,
        confirm=confirm,
        targets=[first, *readers],
    )
    postgres = await call.postgres()
    async with call.cluster() as kube:
        act = partial(call.delivery(first, kube).rotate, plan, postgres)
        result = await call.record("rotate", first).stage("rotate", act)
    return Outcome(_said(result))


def _refuse_all(call: Call, function: str, *, chosen: bool) -> None:
    if not chosen and len(call.targets) > 1:
        raise SettingsError(f"say which services to {function}: --service=<name>")


def check_reset(targets: Sequence[Target], role: str) -> None:
    """Refuse a role whose password is to be set anew and that is nobody's here; "" is none at all."""
    roles = {target.database.role for target in targets if target.database}
    if role and role not in roles:
        known = ", ".join(sorted(roles)) or "none"
        raise SettingsError(f"no chosen service's database belongs to role {role!r}: there is {known}")


def _makes(target: Target, keys: Sequence[str]) -> bool:
    return bool(set(keys) & {*target.secrets.generate, *target.secrets.asked})


async def _stage(
    call: Call, name: str, act: Callable[[KubeClient, Target], Awaitable[StageResult]]
) -> Outcome:
    """Run a stage for each service, on record."""
    async with call.cluster() as kube:

        async def one(target: Target) -> str:
            return _said(await call.record(name, target).stage(name, partial(act, kube, target)))

        return await each(name, {target.service: partial(one, target) for target in call.targets})


def _said(result: StageResult) -> str:
    return f"{result.status}: {result.summary}"
