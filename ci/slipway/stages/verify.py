"""Verify the signatures of the services' images."""

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, open_works
from slipway_host import caller


class VerifyStage(Stage):
    """Adds `dagger call verify`."""

    @stage_function
    async def verify(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Check signature and provenance of the commit's pushed images.

        Ends with exit code 1 where one is missing, by another key or identity, or names another commit.
        """
        from slipway import supply

        _, works = await open_works(
            self, service, changed_since, clean=True, command=caller.command("verify")
        )

        async def one(work: Work) -> str:
            result = await supply.verify(work, await work.digest())
            return f"{result.status}: {result.summary}"

        return await each("verify", works, one)


STAGE = VerifyStage
