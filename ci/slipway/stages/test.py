"""Run a service's own tests."""

from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage
from slipway.work import open_work


class TestStage(Stage):
    """Adds `dagger call test`."""

    @stage_function
    async def test(self, service: ServiceName = "") -> str:  # noqa: PT028 - no pytest test
        """Run the service's own tests in its container; uncommitted changes are tested, too."""
        from slipway.tester import run_tests

        work = await open_work(self, service, clean=False, command="dagger call test")
        result = await run_tests(work.checkout, work.service, work.name)
        return f"{work.name} {work.checkout.tag}: {result.summary}"


STAGE = TestStage
