"""List what ran where."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class HistoryStage(Stage):
    """Adds `dagger call history`."""

    @stage_function
    async def history(
        self,
        service: ServiceNames = None,
        limit: Annotated[int, Doc("Entries of each service, newest first")] = 20,
        *,
        as_json: Annotated[bool, Doc("Print JSON")] = False,
    ) -> str:
        """List the images that ran: tag, GitOps commit, source commit, when, by whom and how.

        Read from the values file's own history, whoever wrote it; where runs kept receipts, with how they
        ended, how long they took, and whether the branch says the same.
        """
        from slipway_host import inspection

        call = await open_call(self, "history", service)
        return told(await inspection.history(call, limit=limit, as_json=as_json))


STAGE = HistoryStage
