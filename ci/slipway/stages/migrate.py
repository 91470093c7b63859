"""Run the services' migrations."""

from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.job_stage import run_jobs


class MigrateStage(Stage):
    """Adds `dagger call migrate`."""

    @stage_function
    async def migrate(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Run the migrations of the pushed images as Kubernetes Jobs, and print their logs.

        A Job that has done its work for this image is not run again; one that failed is. Secret and
        database have to be there (`dagger call database`). Where the environment requires a signature, it
        is verified before.
        """
        return await run_jobs(
            self,
            "migrate",
            service,
            changed_since,
            concerns=lambda work: work.target.migration is not None,
            run=lambda delivery, revision: delivery.migrate(revision.digest),
        )


STAGE = MigrateStage
