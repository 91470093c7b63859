"""Show a run, or how delivery goes, as a page."""

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
        days: Annotated[int, Doc("Report one service over so many days, and not a run")] = 0,
    ) -> dagger.File:
        """Return the report of a run, or of one service over time, as one HTML file.

        `dagger call report -o report.html`: outcome, timeline, findings and image beside those of the last
        deploy, and each stage; made of the receipts in the GitOps repository, which keep failures, too.
        `dagger call report --service=api --days=30 -o api.html`: each KPI against its target, every
        delivery, the image's size and findings; made of the repository's history, whoever wrote it.
        """
        from slipway_host import inspection

        call = await open_call(self, "report", service)
        return dag.file("report.html", await inspection.report(call, run=run, days=days))


STAGE = ReportStage
