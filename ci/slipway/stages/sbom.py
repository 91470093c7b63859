"""List what the services' images contain."""

from functools import partial

import dagger
from dagger import dag

from slipway import images
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, open_works
from slipway_host import caller
from slipway_host.together import together


class SbomStage(Stage):
    """Adds `dagger call sbom`."""

    @stage_function
    async def sbom(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> dagger.Directory:
        """Build the images, and return their software bills of materials as SPDX and CycloneDX JSON.

        One folder for each service, with `sbom.spdx.json` and `sbom.cdx.json`; `export --path=sbom`
        writes them. Nothing is pushed, and no account is needed.
        """
        from slipway.sbom import CYCLONEDX, SPDX, Sbom, sbom

        async def one(work: Work) -> Sbom:
            image = await images.built(work)
            return await sbom(work.checkout, image, name=work.address)

        _, works = await open_works(self, service, changed_since, clean=False, command=caller.command("sbom"))
        folder = dag.directory()
        for work, found in zip(works, await together(*(partial(one, w) for w in works)), strict=True):
            folder = folder.with_file(f"{work.name}/{SPDX}", found.spdx)
            folder = folder.with_file(f"{work.name}/{CYCLONEDX}", found.cyclonedx)
        return folder


STAGE = SbomStage
