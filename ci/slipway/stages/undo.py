"""The emergency: back to the pods from before, past Git; and the way back from there."""

from typing import Annotated

from dagger import Doc

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage, say
from slipway.work import Work, cluster, open_works
from slipway_host.errors import SettingsError
from slipway_host.settings import Deadlines


class UndoStage(Stage):
    """Adds `dagger call undo` and `dagger call resume`."""

    @stage_function
    async def undo(
        self,
        service: ServiceNames = None,
        to_revision: Annotated[int, Doc("Revision as in kubectl rollout history; 0 for the one before")] = 0,
        by: Annotated[str, Doc("Who; without it, the git account")] = "",
    ) -> str:
        """Return workloads to earlier pods at once, and SUSPEND Argo CD's automated sync until `resume`.

        For when Git, registry or CI are away: `rollback` is the better way whenever they are not. The
        branch still names the bad image afterwards.
        """
        from slipway_host import rollback, undo

        if to_revision < 0:
            raise SettingsError("--to-revision is a number of kubectl rollout history")
        _, works = await open_works(self, service, "", clean=False, command="dagger call undo")
        if not service and len(works) > 1:
            raise SettingsError("say which services to undo: --service=<name>")
        since = rollback.now()
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                result = await undo.undo(
                    kube,
                    work.target,
                    number=to_revision,
                    by=by or self.git_username,
                    since=since,
                    report=say,
                    deadline_s=Deadlines().rollout_s,
                )
                return f"{result.status}: {result.summary}"

            return await each("undo", works, one)

    @stage_function
    async def resume(self, service: ServiceNames = None) -> str:
        """Give Argo CD back what `undo` has taken from it: the services return to what the branch says."""
        from slipway_host import undo

        _, works = await open_works(self, service, "", clean=False, command="dagger call resume")
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                result = await undo.resume(kube, work.target, report=say, deadline_s=Deadlines().sync_s)
                return f"{result.status}: {result.summary}"

            return await each("resume", works, one)


STAGE = UndoStage
