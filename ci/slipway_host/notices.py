"""What `slipway.yaml` says of notifications: which ends of a run are told, in which form, and where else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipway_host.names import HttpsAddress, Model

Event = Literal["deployed", "failed", "rolledBack", "waiting"]
EVENTS: tuple[Event, ...] = ("deployed", "failed", "rolledBack", "waiting")


class Notifications(Model):
    """Who is told how a run ended. Without a NOTIFY_WEBHOOK and `github`, nobody is."""

    # Not strict: YAML has lists, and a frozen model wants a tuple.
    events: Annotated[tuple[Event, ...], Field(strict=False)] = Field(
        EVENTS, description="ends of a run that the webhook is told of; a run that changes nothing never is"
    )
    format: Literal["slack", "json"] = Field(
        "slack",
        description="slack: a message for Slack, Mattermost or Discord (…/slack); json: the facts, for a "
        "program of your own",
    )
    github: bool = Field(
        default=False,
        description="show each run as a deployment at the services' repository on GitHub, by a "
        "DEPLOYMENTS_TOKEN or else the GH_PAT",
    )
    url: HttpsAddress | None = Field(
        None, description="address of what is deployed here, linked in messages and deployments"
    )
