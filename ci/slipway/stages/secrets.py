"""Make namespaces, pull secrets and the services' Secrets."""

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, cluster, open_works
from slipway_host import caller
from slipway_host.run import new_run_id


class SecretsStage(Stage):
    """Adds `dagger call secrets`."""

    @stage_function
    async def secrets(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Create namespaces, pull secrets and the services' Secrets where they are absent.

        Missing keys are added; a value that is there is never changed.
        """
        command = caller.command("secrets")
        _, works = await open_works(self, service, changed_since, clean=True, command=command)
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                delivery = work.delivery(kube, new_run_id())
                result, _ = await delivery.secrets(await work.registry(), await work.postgres())
                return f"{result.status}: {result.summary}"

            return await each("secrets", works, one)


STAGE = SecretsStage
