"""The automatic rollback: what a deploy does, where it may, for a new version that does not arrive."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from slipway_host.caller import command
from slipway_host.errors import (
    DeadlineError,
    DeliveryError,
    HealthDegradedError,
    RolloutFailedError,
)
from slipway_host.results import Status
from slipway_host.retreat import Retreat
from slipway_host.way_back import Wish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.call import Call
    from slipway_host.kube import KubeClient
    from slipway_host.passage import Accounts, Passage
    from slipway_host.way_back import Verify

AFTER = frozenset({"rollout", "health", "smoke", "load", "proof"})
"""Stages whose failure says that the new version is bad: before them it does not run yet."""
BAD = (RolloutFailedError, HealthDegradedError, DeadlineError)
"""Errors that say so: a newer deploy, a right that is missing or a server that is away do not."""
BY = "automatic rollback"


def concerns(call: Call, one: Passage) -> bool:
    """Return whether a service is to be rolled back: this run brought the version, and it is bad."""
    error, written, target = one.run.error, one.run.results.get("gitops"), one.delivery.target
    return (
        call.config.environment(target.environment, target.service).rollback == "automatic"
        and isinstance(error, BAD)
        and error.stage in AFTER
        and written is not None
        and written.status is Status.SUCCEEDED
    )


async def fall_back(
    call: Call,
    passages: Sequence[Passage],
    accounts: Accounts,
    kube: KubeClient,
    *,
    verify: Verify | None = None,
) -> None:
    """Roll back, one by one, what `concerns` names; errors then say what became of it.

    Args:
        call: the deploy.
        passages: its services, all of them at their end.
        accounts: shared by all of them.
        kube: the cluster.
        verify: checks signatures, where an environment requires them; None where nothing here can.
    """
    for one in filter(partial(concerns, call), passages):
        await _return(call, one, accounts, kube, verify)


async def _return(
    call: Call, one: Passage, accounts: Accounts, kube: KubeClient, verify: Verify | None
) -> None:
    error, target = one.run.error, one.delivery.target
    assert error  # noqa: S101 - by concerns()
    call.report(f"{one.name}: {error.stage} failed: rolling back, as environment asks for")
    wish = Wish(reason=f"{error.stage} failed: {error.cause}"[:200], by=BY, leaving=target.tag)
    try:
        (back,) = await Retreat(call, wish, verify).back([target], accounts, kube)
    except DeliveryError as failed:
        _tell(call, one, f"the automatic rollback failed: {failed.stage}: {failed.cause}", failed)
        return
    one.fallback = back.document()
    error.landed = (*error.landed, *(f"rollback {what}" for what in back.run.landed))
    if stopped := back.run.error:
        _tell(call, one, f"the automatic rollback failed: {stopped.stage}: {stopped.cause}", stopped)
    elif back.run.status == "Waiting":
        where = one.fallback.get("pullRequest")
        _tell(call, one, f"the rollback to {back.way.tag} waits for a merge: {where}", error)
    else:
        pods = len(one.fallback.get("pods", []))
        said = f"rolled back to {back.way.tag}, which {pods} ready pod(s) run, proven"
        _tell(call, one, f"{said}; {back.way.left} is held", error)
        error.next_command = (
            f"correct it and deploy another commit; {command('history', f'--service={one.name}')}"
        )


def _tell(call: Call, one: Passage, what: str, error: DeliveryError) -> None:
    found = one.run.error
    assert found  # noqa: S101 - by concerns()
    found.cause = f"{found.cause.rstrip('.')}; {what}"
    if error is not found:
        found.next_command = command("rollback", f"--service={one.name}")
    call.report(f"{one.name}: {what}")
