"""One stage that is a Kubernetes Job, for several services side by side: of the images that were pushed."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from slipway.each import each
from slipway.inputs import Stage
from slipway.work import Work, cluster, open_works
from slipway_host import caller
from slipway_host.run import new_run_id
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway_host.delivery import Delivery
    from slipway_host.results import StageResult
    from slipway_host.revision_job import Revision


async def run_jobs(
    inputs: Stage,
    name: str,
    services: list[str] | None,
    changed_since: str,
    *,
    concerns: Callable[[Work], bool],
    run: "Callable[[Delivery, Revision], Awaitable[StageResult]]",
) -> str:
    """Return what came of it, a line for each service.

    Where the environment requires a signature, it is verified before.

    Args:
        inputs: the module's object.
        name: the stage's.
        services: keys; None or nothing for all.
        changed_since: a revision, or nothing.
        concerns: whether a service has such a Job; only then its image has to be there.
        run: the stage.
    """
    from slipway import supply
    from slipway_host.revision_job import Revision

    _, works = await open_works(inputs, services, changed_since, clean=True, command=caller.command(name))
    concerned = [work for work in works if concerns(work)]
    images = await together(*(work.image for work in concerned))
    await supply.verify_required(concerned, [image.digest for image in images])
    revisions = {
        work.name: Revision(image.digest, image.manifests)
        for work, image in zip(concerned, images, strict=True)
    }
    async with cluster(inputs) as kube:

        async def one(work: Work) -> str:
            delivery = work.delivery(kube, new_run_id())
            result = await run(delivery, revisions.get(work.name, Revision("")))
            return f"{result.status}: {result.summary}"

        return await each(name, works, one)
