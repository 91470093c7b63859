"""From the module's object to a `Call`: what the functions that build nothing start from."""

from functools import partial
from typing import TYPE_CHECKING

from slipway.accounts import Given
from slipway.checkout import Checkout
from slipway.inputs import Stage, say
from slipway.records import Records
from slipway.work import Work, cluster, open_works
from slipway_host.caller import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.call import Call
    from slipway_host.passage import Passage
    from slipway_host.recording import Recording


def call_of(inputs: Stage, checkout: Checkout, works: list[Work]) -> "Call":
    """Return a call about these services."""
    from slipway_host.call import Call

    given = Given(inputs, checkout.config)
    records = Records(checkout=checkout, environment=inputs.environment)

    async def keep(kept: "Recording", _passages: "Sequence[Passage]") -> None:
        await records.keep(kept.document["run"], [work.name for work in works], kept.files)

    return Call(
        config=checkout.config,
        environment=inputs.environment,
        targets=tuple(work.target for work in works),
        registry=given.registry,
        git=given.git,
        postgres=given.postgres,
        argocd_token=given.argocd_token,
        recipients=given.recipients,
        connect=partial(cluster, inputs),
        report=say,
        by=inputs.git_username,
        commits=checkout,
        source_url=checkout.url,
        dsn=inputs.postgres_dsn is not None,
        files=keep,
    )


async def open_call(
    inputs: Stage, function: str, services: list[str] | None, *, changed_since: str = "", clean: bool = False
) -> "Call":
    """Read the commit and its configuration, and return a call about the chosen services.

    Args:
        inputs: the module's object.
        function: as `dagger call` writes it, for errors.
        services: keys; None or nothing for all.
        changed_since: a revision, or nothing.
        clean: refuse uncommitted changes.
    """
    again = command(function)
    return call_of(inputs, *await open_works(inputs, services, changed_since, clean=clean, command=again))
