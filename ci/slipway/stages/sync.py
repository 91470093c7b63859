"""Have Argo CD apply what is on the branch."""

from typing import Annotated

from dagger import Doc

from slipway.each import NOBODY, each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, cluster, open_works
from slipway_host.run import new_run_id


class SyncStage(Stage):
    """Adds `dagger call sync`."""

    @stage_function
    async def sync(
        self,
        service: ServiceNames = None,
        changed_since: ChangedSince = "",
        terminate: Annotated[bool, Doc("End a sync of somebody else that blocks this one")] = False,  # noqa: FBT002 - a flag
    ) -> str:
        """Have Argo CD apply the newest commit of the GitOps branch, and wait until it has."""
        from slipway_host import git

        _, works = await open_works(self, service, changed_since, clean=False, command="dagger call sync")
        if not works:
            return NOBODY
        settings = await works[0].git()
        async with git.clone(settings, content=False) as copy:
            commit = await copy.fetch()
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                result = await work.delivery(kube, new_run_id()).sync(settings, commit, terminate=terminate)
                return f"{result.status}: {result.summary}"

            return await each("sync", works, one)


STAGE = SyncStage
