"""Say what running services cost."""

import json
from typing import Annotated

from dagger import Doc

from slipway.each import NOBODY
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage
from slipway.work import cluster, open_works


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
        from slipway_host import cost_text
        from slipway_host.cost import expenses

        _, works = await open_works(self, service, "", clean=False, command="dagger call cost")
        if not works:
            return NOBODY
        async with cluster(self) as kube:
            found = await expenses([work.target for work in works], kube=kube)
        if as_json:
            document = cost_text.document(found, environment=self.environment)
            return json.dumps(document, indent=2, ensure_ascii=False)
        return cost_text.screen(found, environment=self.environment)


STAGE = CostStage
