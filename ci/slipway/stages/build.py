"""Build a service's image."""

import dagger

from slipway import images
from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage
from slipway.work import open_work


class BuildStage(Stage):
    """Adds `dagger call build`."""

    @stage_function
    async def build(self, service: ServiceName = "") -> dagger.Container:
        """Build the service's image and return it; `build terminal` opens it, nothing is pushed."""
        work = await open_work(self, service, clean=False, command="dagger call build")
        return await images.built(images.build(work.checkout, work.recipe))


STAGE = BuildStage
