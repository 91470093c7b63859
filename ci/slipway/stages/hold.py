"""Stop deploys of a service until somebody lifts that."""

from typing import Annotated

from dagger import Doc

from slipway.each import NOBODY
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage, say
from slipway.work import open_works
from slipway_host.run import new_run_id


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
        from slipway_host import holding

        _, works = await open_works(self, service, "", clean=False, command="dagger call hold")
        if not works:
            return NOBODY
        wanted = holding.Holding(
            targets=tuple(work.target for work in works),
            tag=tag,
            reason=reason,
            by=by or self.git_username,
            lift=lift,
            run_id=new_run_id(),
        )
        return await holding.hold(await works[0].git(), wanted, report=say)


STAGE = HoldStage
