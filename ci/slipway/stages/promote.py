"""A person's word to a Rollout of Argo Rollouts: go on, or give the new version up."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class PromoteStage(Stage):
    """Adds `dagger call promote` and `dagger call abort`."""

    @stage_function
    async def promote(
        self,
        service: ServiceNames = None,
        full: Annotated[bool, Doc("Skip what is left, analyses too")] = False,  # noqa: FBT002 - a flag
    ) -> str:
        """Lead a Rollout on from the pause that it is in; a deploy that waits for it goes on by itself.

        If the Rollout has moved on meanwhile, nothing is changed.
        """
        from slipway_host import intervention

        call = await open_call(self, "promote", service)
        return told(await intervention.promote(call, full=full, chosen=bool(service)))

    @stage_function
    async def abort(self, service: ServiceNames = None) -> str:
        """Give the new version of a Rollout up that is on its way: the stable one gets all traffic back.

        The branch still names the new version afterwards: `rollback` makes it say the stable one.
        """
        from slipway_host import intervention

        call = await open_call(self, "abort", service)
        return told(await intervention.abort(call, chosen=bool(service)))


STAGE = PromoteStage
