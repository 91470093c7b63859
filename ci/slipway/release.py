"""One deploy: several services side by side, one GitOps commit for all of them, one receipt."""

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from slipway import foreseen, trust
from slipway.calls import call_of
from slipway.chain import Chain
from slipway.checkout import Checkout
from slipway.inputs import Stage, say
from slipway.retreat import verifier
from slipway.work import Work, open_works
from slipway_host import receipt
from slipway_host.caller import command
from slipway_host.passage import commit_images, hold_back
from slipway_host.receipted import receipted
from slipway_host.together import together

if TYPE_CHECKING:
    import dagger

    from slipway_host.call import Call
    from slipway_host.notifications import Teller
    from slipway_host.plan import Plan


class Release:
    """One run of `deploy`.

    Args:
        inputs: the module's object.
        services: keys; None for all.
        changed_since: a revision, or nothing.
        plan: a saved plan, which is then all that is done.
    """

    def __init__(
        self,
        inputs: Stage,
        services: list[str] | None,
        changed_since: str,
        plan: "dagger.File | None" = None,
    ) -> None:
        self._plan = plan
        self._inputs = inputs
        self._services = services
        self._since = changed_since
        self._began = time.monotonic()

    async def run(self) -> dict[str, Any]:
        """Deploy, and return the receipt.

        Raises:
            DeliveryError: one service or several did not arrive; table and receipt are printed before.
        """
        plan = await foreseen.saved(self._plan)
        services = self._services or (list(plan.names) if plan and not self._since else None)
        file = await self._plan.name() if self._plan else ""
        checkout, works = await open_works(
            self._inputs, services, self._since, clean=True, command=command("deploy"), besides=file
        )
        if plan:
            foreseen.refuse_other(plan, checkout, works, self._inputs.environment)
        names = ", ".join(work.name for work in works) or "no service"
        say(f"commit {checkout.commit[:8]} to {self._inputs.environment}: {names}")
        call = call_of(self._inputs, checkout, works)

        async def deploy(teller: "Teller") -> list[Chain]:
            return await self._deploy(call, checkout, works, plan, teller) if works else []

        document, error = await receipted(
            call,
            deploy,
            lambda _: (checkout.commit, checkout.tag),
            began=self._began,
            planned=plan is not None,
        )
        if error:
            # A function that fails returns nothing: standard error is where this can still be read.
            say(f"{receipt.summary(document)}\n\n{receipt.to_json(document)}")
            raise error
        return document

    async def _deploy(
        self, call: "Call", checkout: Checkout, works: list[Work], plan: "Plan | None", teller: "Teller"
    ) -> list[Chain]:
        from slipway_host.fallback import fall_back

        first = works[0]
        means = await trust.check_required(works)
        accounts = await call.accounts()
        async with call.cluster() as kube:
            chains = [
                Chain(
                    work,
                    call.delivery(work.target, kube),
                    accounts,
                    signs=means.signs,
                    verifies=means.signs or first.environment.require_signature,
                )
                for work in works
            ]
            if plan:
                await foreseen.hold(plan, checkout, works, chains, means)
                await teller.begin()
            ancestors: list[frozenset[str]] = []

            async def read_ancestors() -> None:
                ancestors.append(await checkout.ancestors())

            prepared = (partial(chain.guarded, chain.prepare) for chain in chains)
            await together(read_ancestors, *prepared)
            hold_back(checkout.config, chains)
            await together(*(partial(chain.guarded, chain.migrate) for chain in chains))
            hold_back(checkout.config, chains)
            await commit_images(chains, source_url=checkout.url, ancestors=ancestors[0])
            await together(*(partial(chain.guarded, chain.arrive) for chain in chains))
            await fall_back(call, chains, accounts, kube, verify=verifier(works))
        return chains
