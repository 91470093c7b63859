"""Say what running services cost."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class CostStage(Stage):
    """Adds `dagger call cost`."""

    @stage_function
    async def cost(
        self,
        service: ServiceNames = None,
        *,
        as_json: Annotated[bool, Doc("Print JSON instead of text")] = False,
    ) -> str:
        """Show what the running services request and may use, and what that costs.

        And what the last rollout changed of it. By the prices in `cost.prices`; without them by examples,
        which are called so.
        """
        from slipway_host import reckoning

        return told(await reckoning.cost(await open_call(self, "cost", service), as_json=as_json))


STAGE = CostStage
