"""Stop deploys of a service until somebody lifts that."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class HoldStage(Stage):
    """Adds `dagger call hold`."""

    @stage_function
    async def hold(
        self,
        service: ServiceNames = None,
        reason: Annotated[str, Doc("Why; with it, deploys are stopped, without it, holds are listed")] = "",
        tag: Annotated[str, Doc("Only this image; without it, every deploy")] = "",
        by: Annotated[str, Doc("Who; without it, the git account")] = "",
        lift: Annotated[bool, Doc("Lift the hold of the tag, without one all of them")] = False,  # noqa: FBT002 - a flag
    ) -> str:
        """Stop, list or let go deploys of services in an environment, by a file in the GitOps repository.

        `deploy` and `gitops` refuse what is held before they change anything. What runs goes on running.
        """
        from slipway_host import intervention

        call = await open_call(self, "hold", service)
        return told(await intervention.hold(call, reason=reason, tag=tag, by=by, lift=lift))


STAGE = HoldStage
