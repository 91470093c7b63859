"""`plan` and `deploy --plan`: one look at the world, to be shown or to hold a saved plan against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from slipway_host import plan, plan_check, plan_text
from slipway_host.allowance import Allowed
from slipway_host.caller import command
from slipway_host.errors import SettingsError
from slipway_host.plan import ImagePlan
from slipway_host.planner import Wish
from slipway_host.planner import plan as look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.call import Call
    from slipway_host.config import Config
    from slipway_host.passage import Passage
    from slipway_host.plan import Plan


async def saved(path: str, config: Config, environment: str, commit: str, *, names: Sequence[str]) -> Plan:
    """Return the plan that a file holds, which is for this very deploy.

    Raises:
        SettingsError: it cannot be read, is no plan, or is another deploy's.
    """
    try:
        text = await anyio.Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {type(error).__name__}",
            stage=plan_check.STAGE,
            next_command=command("plan", "--as-json"),
        ) from None
    found = plan.read(text, name=Path(path).name)
    plan_check.refuse_other(found, config, environment=environment, commit=commit, names=names)
    return found


def wish(call: Call, ways: Sequence[Passage], ancestors: frozenset[str]) -> Wish:
    """Return the deploy of images that have been pushed: no gate is left but the last.

    Args:
        call: the services.
        ways: theirs, with the images.
        ancestors: full hashes of older commits of the services' repository.
    """
    images = {
        way.name: ImagePlan(
            reference=f"{way.delivery.target.repository}:{way.delivery.target.tag}",
            digest=way.digest,
            push=False,
            latest=False,
        )
        for way in ways
    }
    return Wish(
        config=call.config,
        environment=call.environment,
        commit=call.targets[0].commit,
        source_url=call.source_url,
        ancestors=ancestors,
        images=images,
        gates={},
        run_id=call.run_id,
    )


async def show(ways: Sequence[Passage], wanted: Wish, *, as_json: bool) -> str:
    """Return the plan, for people or as JSON."""
    found = await look(ways, wanted)
    return found.to_json() if as_json else plan_text.screen(found)


async def hold(old: Plan, ways: Sequence[Passage], wanted: Wish) -> None:
    """Refuse a saved plan that does not hold any more; else let the services do what is in it.

    Args:
        old: the saved one.
        ways: its services, in its order.
        wanted: the deploy.

    Raises:
        MovedError: the world moved.
    """
    new = await look(ways, wanted)
    await plan_check.check(old, new, ways[0].accounts.git)
    ways[0].delivery.report(f"the plan of {old.planned_at} holds: {old.summary}")
    for way, service in zip(ways, old.services, strict=True):
        way.delivery.allowed = Allowed(service)
