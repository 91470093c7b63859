"""Commit an image's tag to the GitOps repository."""

from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage
from slipway.work import open_work
from slipway_host.run import new_run_id


class GitopsStage(Stage):
    """Adds `dagger call gitops`."""

    @stage_function
    async def gitops(self, service: ServiceName = "") -> str:
        """Write the pushed image's tag to the service's values file, as one commit on the branch.

        Only the tag changes in the file; where it is there already, nothing is committed.
        """
        work = await open_work(self, service, clean=True, command="dagger call gitops")
        settings, digest = await work.git(), await work.digest()
        ancestors = await work.checkout.ancestors()
        async with work.delivery(new_run_id()) as delivery:
            result = await delivery.gitops(
                settings, digest=digest, source_url=work.checkout.url, ancestors=ancestors
            )
        return f"{result.status}: {result.summary}"


STAGE = GitopsStage
