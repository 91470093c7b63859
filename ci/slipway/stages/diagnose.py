"""Say which link between commit and pod does not hold, and what mends it."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class DiagnoseStage(Stage):
    """Adds `dagger call diagnose`."""

    @stage_function
    async def diagnose(
        self,
        service: ServiceNames = None,
        head: Annotated[bool, Doc("What runs has to be HEAD's image")] = False,  # noqa: FBT002 - a flag
        as_json: Annotated[bool, Doc("Return JSON, and exit code 0 whatever is found")] = False,  # noqa: FBT002 - a flag
    ) -> str:
        """Walk from the commit to the pods, and name the first link that does not hold, with its fix.

        How tests, build, scan and push ended is told by the receipts of runs. Nothing is changed; where
        Argo CD's comparison is old, it is asked for a new one. Ends with exit code 1 where a link of any
        service does not hold.
        """
        from slipway_host import inspection

        call = await open_call(self, "diagnose", service)
        return told(await inspection.diagnose(call, head=head, as_json=as_json))


STAGE = DiagnoseStage
