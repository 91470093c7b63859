"""Push a service's image."""

from slipway import images
from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage, say
from slipway.work import open_work


class PushStage(Stage):
    """Adds `dagger call push`."""

    @stage_function
    async def push(self, service: ServiceName = "") -> str:
        """Build and push the commit's image, and return its reference by digest.

        An image of the same commit and build arguments that is in the registry already is not
        pushed again. Gates of test and scan are `deploy`'s: this pushes without them.
        """
        work = await open_work(self, service, clean=True, command="dagger call push")
        found = await work.pushed()
        if found is None:
            image = await images.built(images.build(work.checkout, work.recipe))
            result = await images.publish_all(work, image)
            digest = str(result.outputs["digest"])
            say(result.summary)
        else:
            digest = found.digest
            say(f"{work.address} is in the registry already")
        return f"{work.target.repository}@{digest}"


STAGE = PushStage
