"""Make the services' databases and the roles that own them."""

from typing import Annotated

from dagger import Doc

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, cluster, open_works
from slipway_host import caller
from slipway_host.run import new_run_id


class DatabaseStage(Stage):
    """Adds `dagger call database`."""

    @stage_function
    async def database(
        self,
        service: ServiceNames = None,
        changed_since: ChangedSince = "",
        reset_password: Annotated[
            str,
            Doc(
                "Role that gets the password of its service's Secret, in place of another one: whatever else "
                "logs in as this role is locked out"
            ),
        ] = "",
    ) -> str:
        """Create the services' roles and databases where they are absent.

        A role's password is the one in the service's Secret, which is made first where it is
        absent. What exists is adopted as it is.
        """
        from slipway_host.intervention import check_reset

        command = caller.command("database")
        _, works = await open_works(self, service, changed_since, clean=True, command=command)
        check_reset([work.target for work in works], reset_password)
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                delivery, postgres = work.delivery(kube, new_run_id()), await work.postgres()
                database = work.target.database
                reset = bool(reset_password and database and database.role == reset_password)
                _, password = await delivery.secrets(await work.registry(), postgres, reset=reset)
                result = await delivery.database(postgres, password, reset=reset)
                return f"{result.status}: {result.summary}"

            return await each("database", works, one)


STAGE = DatabaseStage
