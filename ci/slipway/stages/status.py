"""Say what runs where."""

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage
from slipway.work import Work, cluster, open_works
from slipway_host.run import new_run_id


class StatusStage(Stage):
    """Adds `dagger call status`."""

    @stage_function
    async def status(self, service: ServiceNames = None) -> str:
        """Show what Argo CD and Kubernetes say of the services, and which image each pod runs."""
        _, works = await open_works(self, service, "", clean=False, command="dagger call status")
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                return await work.delivery(kube, new_run_id()).status()

            return await each("status", works, one)


STAGE = StatusStage
