"""Have Argo CD apply what is on the branch."""

from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage
from slipway.work import open_work
from slipway_host.run import new_run_id


class SyncStage(Stage):
    """Adds `dagger call sync`."""

    @stage_function
    async def sync(self, service: ServiceName = "") -> str:
        """Have Argo CD apply the newest commit of the GitOps branch, and wait until it has."""
        from slipway_host import git

        work = await open_work(self, service, clean=False, command="dagger call sync")
        settings = await work.git()
        async with git.clone(settings, content=False) as copy:
            commit = await copy.fetch()
        async with work.delivery(new_run_id()) as delivery:
            result = await delivery.sync(settings, commit)
        return f"{result.status}: {result.summary}"


STAGE = SyncStage
