"""Say what runs where."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class StatusStage(Stage):
    """Adds `dagger call status`."""

    @stage_function
    async def status(
        self,
        service: ServiceNames = None,
        *,
        as_json: Annotated[bool, Doc("Print JSON instead of text")] = False,
    ) -> str:
        """Show what runs of the services: since when, by which commits, deployed by whom, and how it is.

        What cannot be read, the GitOps repository without a token for example, is said in its place.
        """
        from slipway_host import inspection

        return told(await inspection.status(await open_call(self, "status", service), as_json=as_json))


STAGE = StatusStage
