"""Push the services' images."""

from slipway import images
from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage, say
from slipway.publisher import publish_all
from slipway.work import Work, open_works
from slipway_host import caller


class PushStage(Stage):
    """Adds `dagger call push`."""

    @stage_function
    async def push(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Build and push the commit's images, and return their references by digest.

        An image of the same commit and build arguments that is in the registry already is not
        pushed again. Gates of test and scan are `deploy`'s: this pushes without them.
        """
        _, works = await open_works(self, service, changed_since, clean=True, command=caller.command("push"))

        async def one(work: Work) -> str:
            found = await work.pushed()
            if found:
                say(f"{work.address} is in the registry already")
                return f"{work.target.repository}@{found.digest}"
            image = await images.built(work)
            result = await publish_all(work, image)
            return f"{work.target.repository}@{result.outputs['digest']}"

        return await each("push", works, one)


STAGE = PushStage
