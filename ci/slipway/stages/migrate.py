"""Run the services' migrations."""

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, cluster, open_works
from slipway_host.run import new_run_id


class MigrateStage(Stage):
    """Adds `dagger call migrate`."""

    @stage_function
    async def migrate(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Run the migrations of the pushed images as Kubernetes Jobs, and print their logs.

        A Job that has done its work for this image is not run again; one that failed is. Secret and
        database have to be there (`dagger call database`).
        """
        command = "dagger call migrate"
        _, works = await open_works(self, service, changed_since, clean=True, command=command)
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                digest = await work.digest() if work.target.migration else ""
                result = await work.delivery(kube, new_run_id()).migrate(digest)
                return f"{result.status}: {result.summary}"

            return await each("migrate", works, one)


STAGE = MigrateStage
