"""Run the services' load checks."""

from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.job_stage import run_jobs


class LoadStage(Stage):
    """Adds `dagger call load`."""

    @stage_function
    async def load(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Send the load checks' requests to the pods that run the pushed images, and say what was measured.

        Each is a Kubernetes Job, and measures whether it has measured before or not. Where the environment
        requires a signature, it is verified before.
        """
        return await run_jobs(
            self,
            "load",
            service,
            changed_since,
            concerns=lambda work: work.target.load is not None,
            run=lambda delivery, revision: delivery.load(revision, again=True),
        )


STAGE = LoadStage
