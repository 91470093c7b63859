"""Have Argo CD apply what is on the branch."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage


class SyncStage(Stage):
    """Adds `dagger call sync`."""

    @stage_function
    async def sync(
        self,
        service: ServiceNames = None,
        changed_since: ChangedSince = "",
        terminate: Annotated[bool, Doc("End a sync of somebody else that blocks this one")] = False,  # noqa: FBT002 - a flag
    ) -> str:
        """Have Argo CD apply the newest commit of the GitOps branch, and wait until it has."""
        from slipway_host import intervention

        call = await open_call(self, "sync", service, changed_since=changed_since)
        return told(await intervention.sync(call, terminate=terminate))


STAGE = SyncStage
