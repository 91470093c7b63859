"""The functions that look and change nothing: the same for `dagger call` and `slipway-host`."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from slipway_host import checks, git, migration_record, rbac_manifests, receipts, rights
from slipway_host import history as histories
from slipway_host import logs as pod_logs
from slipway_host import metrics as endpoints
from slipway_host.caller import command
from slipway_host.diagnosis import Diagnosis
from slipway_host.diagnosis import diagnose as walk
from slipway_host.diagnosis_case import Case
from slipway_host.each import NOBODY, Outcome, each
from slipway_host.errors import DeliveryError, SettingsError
from slipway_host.names import DNS_LABEL
from slipway_host.overview import overviews, screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.call import Call
    from slipway_host.checks import Check
    from slipway_host.kube import KubeClient
    from slipway_host.settings import Target

MOST_ENTRIES = 10_000
MOST_LINES = 10_000
LONGEST_S = 3600
DEPTH = 200
"""GitOps commits that the first look brings."""


async def diagnose(call: Call, *, head: bool, as_json: bool) -> Outcome:
    """Walk from the commit to the pods.

    Args:
        call: the services.
        head: what runs has to be HEAD's image.
        as_json: return JSON, and no error whatever is found.
    """
    if not call.targets:
        return Outcome(NOBODY)
    found: dict[str, Diagnosis] = {}
    async with call.cluster() as kube:

        async def one(target: Target) -> Outcome:
            registry, repository = await call.registry(), await call.git()
            case = Case(
                target=target,
                kube=kube,
                applications=call.applications(kube),
                git=repository,
                registry=registry,
                expect_head=head,
            )
            seen = found[target.service] = await walk(case)
            return Outcome(seen.text(), None if as_json else seen.failure())

        outcome = await each("diagnose", {t.service: partial(one, t) for t in call.targets})
    if not as_json or outcome.error:
        return outcome
    return Outcome(_json({"services": [found[target.service].document() for target in call.targets]}))


async def history(call: Call, *, limit: int, as_json: bool) -> Outcome:
    """List what ran where, newest first, at most `limit` entries of each service."""
    if not 1 <= limit <= MOST_ENTRIES:
        raise SettingsError(
            f"--limit is 1 to {MOST_ENTRIES}", stage="history", next_command=command("history", "--limit=20")
        )
    if not call.targets:
        return Outcome(NOBODY)
    found = {}
    settings = await call.git()
    async with git.clone(settings, depth=DEPTH) as copy:
        await copy.fetch()
        for target in call.targets:
            found[target.service] = await histories.read(copy, target.app, target.values, limit=limit)
        try:
            kept = await receipts.stored(settings, call.targets, limit=3 * limit)
            kept = await receipts.verified(copy, call.targets, kept)
        except DeliveryError as error:
            # What ran is known without them.
            call.report(f"WARNING: receipts of runs cannot be read: {error.cause}")
            kept = {}
    for name, reading in kept.items():
        found[name] = histories.told(found[name], reading.receipts)
        for one in migration_record.broken_off(reading.receipts, {entry.migration for entry in found[name]}):
            what = f"the migration of {migration_record.told(one)} failed after it had begun"
            call.report(f"WARNING: {name}: {what}, and may have changed the database in part")
        for line in reading.unreadable:
            call.report(f"WARNING: a receipt cannot be read: {line}")
    if as_json:
        return Outcome(_json({name: [one.document() for one in entries] for name, entries in found.items()}))
    return Outcome("\n\n".join(f"{name}:\n{histories.table(entries)}" for name, entries in found.items()))


async def status(call: Call, *, as_json: bool) -> Outcome:
    """Say what runs since when, by which commits and whom, and how it is."""
    if not call.targets:
        return Outcome(NOBODY)
    async with call.cluster() as kube:
        found = await overviews(
            call.targets, kube=kube, applications=call.applications(kube), repository=call.git
        )
    return Outcome(_json([one.document for one in found]) if as_json else screen(found))


async def doctor(
    call: Call, *, before: Sequence[Check] = (), as_json: bool = False, report_only: bool = False
) -> Outcome:
    """Look at all that a deploy needs.

    Args:
        call: the services.
        before: checks of the caller's own, shown first.
        as_json: return JSON in place of a table.
        report_only: no error, whatever was found.
    """
    async with AsyncExitStack() as stack:
        # Argo CD's own API is asked also where the cluster cannot be reached.
        stack.push_async_callback(call.leave)

        async def kube() -> KubeClient:
            return await stack.enter_async_context(call.cluster())

        results = await checks.examine([*before, *call.world(kube).checks()])
    return examined(results, as_json=as_json, report_only=report_only)


def examined(results: Sequence[checks.Result], *, as_json: bool, report_only: bool) -> Outcome:
    """Return what checks have found, with an error where one failed."""
    text = checks.to_json(results) if as_json else checks.table(results)
    return Outcome(text, None if report_only else checks.failure(results))


async def logs(call: Call, *, tail: int, previous: bool, container: str, follow: int) -> Outcome:
    """Show the logs of the services' pods.

    Args:
        call: the services.
        tail: lines of each container.
        previous: those of the containers before their last restart.
        container: only containers of this name.
        follow: seconds to print new lines for.
    """
    if not 1 <= tail <= MOST_LINES or not 0 <= follow <= LONGEST_S:
        raise SettingsError(
            f"--tail is 1 to {MOST_LINES} lines, --follow 0 to {LONGEST_S} seconds",
            stage="logs",
            next_command=command("logs", "--tail=100"),
        )
    async with call.cluster() as kube:

        async def one(target: Target) -> str:
            if follow:
                report = call.report
                count = await pod_logs.follow(
                    kube, target, seconds=follow, report=report, container=container
                )
                return f"{count} new lines in {follow} s"
            return await pod_logs.tail(kube, target, lines=tail, previous=previous, container=container)

        return await each("logs", {t.service: partial(one, t) for t in call.targets})


async def metrics(call: Call, *, match: str) -> Outcome:
    """Show what each ready pod answers on its Prometheus endpoint; `match` is a part of a metric's name."""
    async with call.cluster() as kube:

        async def one(target: Target) -> str:
            service = call.config.services[target.service]
            port = service.metrics.port or service.health.port
            return await endpoints.snapshot(kube, target, port=port, path=service.metrics.path, match=match)

        return await each("metrics", {t.service: partial(one, t) for t in call.targets})


async def rbac(
    call: Call, *, account: str, account_namespace: str, sync_windows: bool, for_plan: bool = False
) -> Outcome:
    """Return manifests of a ServiceAccount with the least rights that the services need.

    Args:
        call: the services.
        account: name of the ServiceAccount; "" for one by the services' name, with `-plan` where it is that.
        account_namespace: where it is.
        sync_windows: with the one right that is optional.
        for_plan: only what `plan` needs.
    """
    account = account or rbac_manifests.account_of(call.targets) + ("-plan" if for_plan else "")
    for name in (account, account_namespace):
        if not DNS_LABEL.fullmatch(name):
            raise SettingsError(
                f"{name[:80]!r} is not a Kubernetes name: lower-case letters, digits and hyphens"
            )
    postgres = await call.postgres()
    asked = []
    for target in call.targets:
        every = rights.rights(target, postgres)
        if call.config.environment(call.environment, target.service).preview:
            every = rights.for_previews(target, every)
        asked += rights.for_plan(target, every) if for_plan else every
    if sync_windows:
        asked += [right for target in call.targets for right in rights.sync_windows(target)]
    return Outcome(
        rbac_manifests.policy(call.targets, for_plan=for_plan)
        + rbac_manifests.as_yaml(
            rbac_manifests.manifests(
                asked,
                account=account,
                namespace=account_namespace,
                namespaces=[target.namespace for target in call.targets],
            )
        )
    )


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
