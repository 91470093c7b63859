"""The automatic rollback: what a deploy does, where it may, for a new version that does not arrive."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipway.inputs import say
from slipway.retreat import verifier
from slipway_host.caller import command
from slipway_host.errors import (
    DeadlineError,
    DeliveryError,
    HealthDegradedError,
    RolloutFailedError,
)
from slipway_host.results import Status

if TYPE_CHECKING:
    from slipway.chain import Chain
    from slipway_host.call import Call
    from slipway_host.kube import KubeClient
    from slipway_host.passage import Accounts

AFTER = frozenset({"rollout", "health", "smoke", "load", "proof"})
"""Stages whose failure says that the new version is bad: before them it does not run yet."""
BAD = (RolloutFailedError, HealthDegradedError, DeadlineError)
"""Errors that say so: a newer deploy, a right that is missing or a server that is away do not."""
BY = "automatic rollback"


def concerns(chain: "Chain") -> bool:
    """Return whether a service is to be rolled back: this run brought the version, and it is bad."""
    error, written = chain.run.error, chain.run.results.get("gitops")
    return (
        chain.work.environment.rollback == "automatic"
        and isinstance(error, BAD)
        and error.stage in AFTER
        and written is not None
        and written.status is Status.SUCCEEDED
    )


async def fall_back(
    call: "Call", chains: Sequence["Chain"], accounts: "Accounts", kube: "KubeClient"
) -> None:
    """Roll back, one by one, what `concerns` names; errors then say what became of it."""
    from slipway_host.retreat import Retreat
    from slipway_host.way_back import Wish

    for chain in filter(concerns, chains):
        error = chain.run.error
        assert error  # noqa: S101 - by concerns()
        say(f"{chain.name}: {error.stage} failed: rolling back, as environment asks for")
        wish = Wish(reason=f"{error.stage} failed: {error.cause}"[:200], by=BY, leaving=chain.work.target.tag)
        try:
            retreat = Retreat(call, wish, verifier([chain.work]))
            (one,) = await retreat.back([chain.work.target], accounts, kube)
        except DeliveryError as failed:
            _tell(chain, f"the automatic rollback failed: {failed.stage}: {failed.cause}", failed)
            continue
        facts: dict[str, Any] = one.document()
        chain.fallback = facts
        error.landed = (*error.landed, *(f"rollback {what}" for what in one.run.landed))
        if stopped := one.run.error:
            _tell(chain, f"the automatic rollback failed: {stopped.stage}: {stopped.cause}", stopped)
        elif one.run.status == "Waiting":
            _tell(
                chain, f"the rollback to {one.way.tag} waits for a merge: {facts.get('pullRequest')}", error
            )
        else:
            pods = len(facts.get("pods", []))
            said = f"rolled back to {one.way.tag}, which {pods} ready pod(s) run, proven"
            _tell(chain, f"{said}; {one.way.left} is held", error)
            error.next_command = (
                f"correct it and deploy another commit; {command('history', f'--service={chain.name}')}"
            )


def _tell(chain: "Chain", what: str, error: DeliveryError) -> None:
    found = chain.run.error
    assert found  # noqa: S101 - by concerns()
    found.cause = f"{found.cause.rstrip('.')}; {what}"
    if error is not found:
        found.next_command = command("rollback", f"--service={chain.name}")
    say(f"{chain.name}: {what}")
