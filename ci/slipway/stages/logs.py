"""Read what the services' pods say and measure."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class LogsStage(Stage):
    """Adds `dagger call logs` and `dagger call metrics`."""

    @stage_function
    async def logs(
        self,
        service: ServiceNames = None,
        tail: Annotated[int, Doc("Lines of each container")] = 100,
        previous: Annotated[bool, Doc("Those of the containers before their last restart")] = False,  # noqa: FBT002 - a flag
        container: Annotated[str, Doc("Only containers of this name")] = "",
        follow: Annotated[int, Doc("Seconds to print new lines for, as they come")] = 0,
    ) -> str:
        """Show the logs of the services' pods; what looks like a credential is left out."""
        from slipway_host import inspection

        call = await open_call(self, "logs", service)
        found = await inspection.logs(call, tail=tail, previous=previous, container=container, follow=follow)
        return told(found)

    @stage_function
    async def metrics(
        self,
        service: ServiceNames = None,
        match: Annotated[str, Doc("Only metrics whose name holds this")] = "",
    ) -> str:
        """Show what each ready pod answers on its Prometheus endpoint now."""
        from slipway_host import inspection

        return told(await inspection.metrics(await open_call(self, "metrics", service), match=match))


STAGE = LogsStage
