"""Make the services' databases and the roles that own them."""

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, cluster, open_works
from slipway_host.run import new_run_id


class DatabaseStage(Stage):
    """Adds `dagger call database`."""

    @stage_function
    async def database(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Create the services' roles and databases where they are absent.

        A role's password is the one in the service's Secret, which is made first where it is
        absent. What exists is adopted as it is.
        """
        command = "dagger call database"
        _, works = await open_works(self, service, changed_since, clean=True, command=command)
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                delivery, postgres = work.delivery(kube, new_run_id()), await work.postgres()
                _, password = await delivery.secrets(await work.registry(), postgres)
                result = await delivery.database(postgres, password)
                return f"{result.status}: {result.summary}"

            return await each("database", works, one)


STAGE = DatabaseStage
