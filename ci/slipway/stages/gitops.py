"""Commit the images' tags to the GitOps repository."""

from slipway.each import NOBODY
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage, say
from slipway.work import cluster, open_works
from slipway_host import caller
from slipway_host.run import new_run_id
from slipway_host.together import together


class GitopsStage(Stage):
    """Adds `dagger call gitops`."""

    @stage_function
    async def gitops(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Write the pushed images' tags to the values files, as one commit on the branch.

        Only the tags change in the files; where they are there already, nothing is committed. Where
        the environment requires a signature, it is verified before.
        """
        from slipway import supply
        from slipway_host.passage import commit

        command, run_id = caller.command("gitops"), new_run_id()
        checkout, works = await open_works(self, service, changed_since, clean=True, command=command)
        if not works:
            return NOBODY
        settings, ancestors = await works[0].git(), await checkout.ancestors()
        digests = await together(*(work.digest for work in works))
        await supply.verify_required(works, digests)
        async with cluster(self) as kube:
            changes = [
                work.delivery(kube, run_id).change(
                    digest=digest, source_url=checkout.url, ancestors=ancestors
                )
                for work, digest in zip(works, digests, strict=True)
            ]
        results = await commit(settings, changes, run_id=run_id, report=say)
        found = [(work.name, results[work.target.app]) for work in works]
        return "\n".join(f"{name}: {result.status}: {result.summary}" for name, result in found)


STAGE = GitopsStage
