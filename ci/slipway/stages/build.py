"""Build the services' images."""

import dagger

from slipway import images
from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, open_works
from slipway_host import caller
from slipway_host.errors import SettingsError


class BuildStage(Stage):
    """Adds `dagger call build` and `dagger call image`."""

    @stage_function
    async def build(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Build the services' images side by side; nothing is pushed."""
        _, works = await open_works(
            self, service, changed_since, clean=False, command=caller.command("build")
        )

        async def one(work: Work) -> str:
            await images.built(work)
            return work.address

        return await each("build", works, one)

    @stage_function
    async def image(self, service: ServiceNames = None) -> dagger.Container:
        """Build one service's image and return it: `image terminal` opens it, `image user` asks it.

        Of a service with several platforms it is the one for the engine's own.
        """
        _, works = await open_works(self, service, "", clean=False, command=caller.command("image"))
        if len(works) != 1:
            raise SettingsError(
                f"an image is one service's: there are {', '.join(work.name for work in works)}",
                next_command=caller.command("image", f"--service={works[0].name}"),
            )
        return await images.built_here(works[0])


STAGE = BuildStage
