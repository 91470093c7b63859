"""Say what runs where."""

from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage
from slipway.work import open_work
from slipway_host.run import new_run_id


class StatusStage(Stage):
    """Adds `dagger call status`."""

    @stage_function
    async def status(self, service: ServiceName = "") -> str:
        """Show what Argo CD and Kubernetes say of the service, and which image each pod runs."""
        work = await open_work(self, service, clean=False, command="dagger call status")
        async with work.delivery(new_run_id()) as delivery:
            return await delivery.status()


STAGE = StatusStage
