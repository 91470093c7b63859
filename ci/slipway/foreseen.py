"""`plan` and `deploy --plan` in the engine: what the build and its gates add to the host side's plan."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from slipway.checkout import Checkout
from slipway.trust import Means
from slipway.work import Work
from slipway_host.caller import command
from slipway_host.errors import DeliveryError
from slipway_host.plan import ImagePlan
from slipway_host.planner import Wish
from slipway_host.together import together

if TYPE_CHECKING:
    import dagger

    from slipway_host.passage import Passage
    from slipway_host.plan import Plan
    from slipway_host.remote_image import RemoteImage

FILE = "plan.json"
"""Where a plan is usually saved: it may lie in the folder."""


async def saved(file: "dagger.File | None") -> "Plan | None":
    """Return the plan that a file holds, None without one.

    Raises:
        SettingsError: it is no plan.
    """
    from slipway_host import plan

    return plan.read(await file.contents(), name=await file.name()) if file else None


def refuse_other(plan: "Plan", checkout: Checkout, works: Sequence[Work], environment: str) -> None:
    """Refuse a plan of another deploy than this one, before anything outside is asked.

    Raises:
        SettingsError: it is another's.
    """
    from slipway_host import plan_check

    plan_check.refuse_other(
        plan,
        checkout.config,
        environment=environment,
        commit=checkout.commit,
        names=[work.name for work in works] or ["no service"],
    )


async def hold(
    plan: "Plan", checkout: Checkout, works: Sequence[Work], chains: "Sequence[Passage]", means: Means
) -> None:
    """Refuse a saved plan that does not hold any more; else let the services do what is in it.

    Raises:
        MovedError: the world moved.
    """
    from slipway_host import foresight

    run_id = chains[0].delivery.run_id
    await foresight.hold(plan, chains, await wish(checkout, works, means, run_id=run_id))


async def wish(checkout: Checkout, works: Sequence[Work], means: Means, *, run_id: str) -> Wish:
    """Return the deploy that a plan is about.

    Args:
        checkout: the commit.
        works: the services, at least one.
        means: what this run signs and verifies with.
        run_id: of this run.

    Raises:
        DeliveryError: the registry does not answer, or has something else under the tag.
    """
    pushed = await together(*(partial(_pushed, work) for work in works))
    images = {
        work.name: ImagePlan(
            reference=work.address,
            digest=found.digest if found else "",
            push=found is None,
            latest=found is None and work.environment.latest,
        )
        for work, found in zip(works, pushed, strict=True)
    }
    return Wish(
        config=checkout.config,
        environment=works[0].target.environment,
        commit=checkout.commit,
        source_url=checkout.url,
        ancestors=await checkout.ancestors(),
        images=images,
        gates={work.name: gates(work, means) for work in works},
        run_id=run_id,
    )


async def _pushed(work: Work) -> "RemoteImage | None":
    try:
        return await work.pushed()
    except DeliveryError as error:
        raise error.at("preflight", next_command=command("plan")) from error


def gates(work: Work, means: Means) -> tuple[str, ...]:
    """Return what an image has to pass on its way; how it ends, only the run itself can tell."""
    scan, service = work.environment.scan, work.service
    lines = []
    if service.test:
        lines.append(f"test: `{service.test.command}` has to pass")
    if scan.gate == "fail":
        only = " that the running image has not" if scan.only_new else ""
        lines.append(f"scan: findings of {scan.severity} and above{only} stop the run")
    else:
        lines.append("scan: findings are reported, and stop nothing")
    if means.signs:
        lines.append("signature: signed where it is not yet, and verified before the GitOps commit")
    elif work.environment.require_signature:
        lines.append("signature: verified before the GitOps commit")
    return tuple(lines)
