"""Run the services' migrations."""

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, cluster, open_works
from slipway_host import caller
from slipway_host.run import new_run_id
from slipway_host.together import together


class MigrateStage(Stage):
    """Adds `dagger call migrate`."""

    @stage_function
    async def migrate(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Run the migrations of the pushed images as Kubernetes Jobs, and print their logs.

        A Job that has done its work for this image is not run again; one that failed is. Secret and
        database have to be there (`dagger call database`). Where the environment requires a signature, it
        is verified before.
        """
        from slipway import supply

        command = caller.command("migrate")
        _, works = await open_works(self, service, changed_since, clean=True, command=command)
        migrating = [work for work in works if work.target.migration]
        digests = await together(*(work.digest for work in migrating))
        await supply.verify_required(migrating, digests)
        images = {work.name: digest for work, digest in zip(migrating, digests, strict=True)}
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                result = await work.delivery(kube, new_run_id()).migrate(images.get(work.name, ""))
                return f"{result.status}: {result.summary}"

            return await each("migrate", works, one)


STAGE = MigrateStage
