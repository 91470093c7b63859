"""Who is told of a run, from the module's arguments."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from slipway.checkout import Checkout
from slipway.credentials import reveal_optional
from slipway.inputs import Stage, say
from slipway_host.errors import DeliveryError

if TYPE_CHECKING:
    from slipway_host.notifications import Recipients, Teller


@asynccontextmanager
async def told(
    inputs: Stage,
    checkout: Checkout,
    services: Sequence[str],
    *,
    run: str,
    task: str = "deploy",
    commit: str = "",
) -> "AsyncIterator[Teller]":
    """Tell others of the run that happens inside; what is in the teller's `document` is what they hear.

    Args:
        inputs: the module's object.
        checkout: the commit that was read.
        services: what the run is about.
        run: the run's id.
        task: `deploy` or `rollback`.
        commit: full hash of what is deployed, or "" while that is not known.
    """
    from slipway_host import notifications

    recipients = notifications.Recipients()
    try:
        recipients = await _recipients(inputs)
    except DeliveryError as error:
        # Whoever is not told is no reason not to deploy.
        say(f"WARNING: nobody is told of this run: {error.cause}")
    notice = notifications.Notice(
        run=run,
        environment=inputs.environment,
        commit=commit,
        source=checkout.url,
        services=services,
        task=task,
    )
    wanted = checkout.config.environment(inputs.environment).notifications
    teller = notifications.Teller(notice=notice, wanted=wanted, recipients=recipients, report=say)
    async with notifications.told(teller):
        yield teller


async def _recipients(inputs: Stage) -> "Recipients":
    from slipway_host.notifications import Recipients

    return Recipients(
        webhook=await reveal_optional(inputs.notify_webhook, "NOTIFY_WEBHOOK"),
        key=await reveal_optional(inputs.notify_key, "NOTIFY_KEY"),
        token=await reveal_optional(inputs.deployments_token, "DEPLOYMENTS_TOKEN")
        or await reveal_optional(inputs.gh_pat, "GH_PAT"),
        run_url=inputs.run_url,
    )
