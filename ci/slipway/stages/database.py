"""Make a service's database and the role that owns it."""

from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage
from slipway.work import open_work
from slipway_host.run import new_run_id


class DatabaseStage(Stage):
    """Adds `dagger call database`."""

    @stage_function
    async def database(self, service: ServiceName = "") -> str:
        """Create the service's role and database where they are absent.

        The role's password is the one in the service's Secret, which is made first where it is
        absent. What exists is adopted as it is.
        """
        work = await open_work(self, service, clean=True, command="dagger call database")
        registry, postgres = await work.registry(), await work.postgres()
        async with work.delivery(new_run_id()) as delivery:
            made, password = await delivery.secrets(registry, postgres)
            result = await delivery.database(postgres, password)
        return f"{made.status}: {made.summary}\n{result.status}: {result.summary}"


STAGE = DatabaseStage
