"""Show a run as a page."""

from typing import Annotated

import dagger
from dagger import Doc, dag

from slipway.calls import open_call
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class ReportStage(Stage):
    """Adds `dagger call report`."""

    @stage_function
    async def report(
        self,
        service: ServiceNames = None,
        run: Annotated[
            str, Doc("Run, by its id in the receipt; without it, the newest of these services")
        ] = "",
    ) -> dagger.File:
        """Return the report of one run as one HTML file.

        `dagger call report -o report.html`. Outcome, timeline, findings and image beside those of the last
        deploy, and each stage; made of the receipts in the GitOps repository, which keep failures, too.
        """
        from slipway_host import reports

        call = await open_call(self, "report", service)
        return dag.file("report.html", await reports.of_run(await call.git(), call.targets, run=run))


STAGE = ReportStage
