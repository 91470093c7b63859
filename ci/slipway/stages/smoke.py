"""Run the services' smoke tests."""

from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.job_stage import run_jobs


class SmokeStage(Stage):
    """Adds `dagger call smoke`."""

    @stage_function
    async def smoke(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Run the smoke tests against the pods that run the pushed images, and print their logs.

        Each is a Kubernetes Job, and runs whether it has passed before or not. Where the environment requires
        a signature, it is verified before.
        """
        return await run_jobs(
            self,
            "smoke",
            service,
            changed_since,
            concerns=lambda work: work.target.smoke is not None,
            run=lambda delivery, revision: delivery.smoke(revision, again=True),
        )


STAGE = SmokeStage
