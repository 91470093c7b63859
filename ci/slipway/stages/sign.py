"""Sign the services' images."""

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, open_works
from slipway_host import caller


class SignStage(Stage):
    """Adds `dagger call sign`."""

    @stage_function
    async def sign(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Sign the commit's pushed images with cosign, by digest, and attest provenance and SBOM.

        Signature, SLSA provenance, SPDX and CycloneDX documents go beside the image in the registry.
        They are by a key, or without one by an OIDC identity. What is signed already is not signed again.
        """
        from slipway import supply

        _, works = await open_works(self, service, changed_since, clean=True, command=caller.command("sign"))

        async def one(work: Work) -> str:
            result = await supply.sign(work, await work.digest())
            return f"{result.status}: {result.summary}"

        return await each("sign", works, one)


STAGE = SignStage
