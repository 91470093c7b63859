"""Make namespace, pull secret and the service's Secret."""

from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage
from slipway.work import open_work
from slipway_host.run import new_run_id


class SecretsStage(Stage):
    """Adds `dagger call secrets`."""

    @stage_function
    async def secrets(self, service: ServiceName = "") -> str:
        """Create namespace, pull secret and the service's Secret where they are absent.

        Missing keys are added; a value that is there is never changed.
        """
        work = await open_work(self, service, clean=True, command="dagger call secrets")
        registry, postgres = await work.registry(), await work.postgres()
        async with work.delivery(new_run_id()) as delivery:
            result, _ = await delivery.secrets(registry, postgres)
        return f"{result.status}: {result.summary}"


STAGE = SecretsStage
