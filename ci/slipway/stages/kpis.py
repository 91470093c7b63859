"""Measure how delivery goes."""

from typing import Annotated

from dagger import Doc

from slipway.each import NOBODY
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage
from slipway.work import open_works


class KpisStage(Stage):
    """Adds `dagger call kpis`."""

    @stage_function
    async def kpis(
        self,
        service: ServiceNames = None,
        days: Annotated[
            int, Doc("Length of the window, which ends now; the one before is the comparison")
        ] = 30,
        *,
        as_json: Annotated[bool, Doc("Print JSON, with each day and each deployment")] = False,
        as_prometheus: Annotated[bool, Doc("Print Prometheus' text format")] = False,
    ) -> str:
        """Show how delivery goes against its targets: build, deploy, success, and DORA's four metrics.

        From the history of the values files, whoever wrote it, and from receipts where there are some.
        Each figure says on how much it is based; what is not known is called unknown.
        """
        import datetime as dt

        from slipway_host import kpis

        checkout, works = await open_works(self, service, "", clean=False, command="dagger call kpis")
        if not works:
            return NOBODY
        question = kpis.Question(
            config=checkout.config,
            environment=self.environment,
            targets=[work.target for work in works],
            settings=await works[0].git(),
            days=days,
            commits=checkout,
            now=dt.datetime.now(dt.UTC),
        )
        return kpis.said(await kpis.measure(question), as_json=as_json, as_prometheus=as_prometheus)


STAGE = KpisStage
