"""The emergency: back to the pods from before, past Git; and the way back from there."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class UndoStage(Stage):
    """Adds `dagger call undo` and `dagger call resume`."""

    @stage_function
    async def undo(
        self,
        service: ServiceNames = None,
        to_revision: Annotated[int, Doc("Revision as in kubectl rollout history; 0 for the one before")] = 0,
        by: Annotated[str, Doc("Who; without it, the git account")] = "",
    ) -> str:
        """Return workloads to earlier pods at once, and SUSPEND Argo CD's automated sync until `resume`.

        For when Git, registry or CI are away: `rollback` is the better way whenever they are not. The
        branch still names the bad image afterwards.
        """
        from slipway_host import intervention

        call = await open_call(self, "undo", service)
        chosen = bool(service)
        return told(await intervention.undo(call, to_revision=to_revision, by=by, chosen=chosen))

    @stage_function
    async def resume(self, service: ServiceNames = None) -> str:
        """Give Argo CD back what `undo` has taken from it: the services return to what the branch says."""
        from slipway_host import intervention

        return told(await intervention.resume(await open_call(self, "resume", service)))


STAGE = UndoStage
