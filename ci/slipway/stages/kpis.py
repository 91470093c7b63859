"""Measure how delivery goes."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


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
        from slipway_host import reckoning

        call = await open_call(self, "kpis", service)
        return told(await reckoning.kpis(call, days=days, as_json=as_json, as_prometheus=as_prometheus))


STAGE = KpisStage
