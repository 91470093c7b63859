"""Run the services' own tests."""

import dagger

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import Work, open_works
from slipway_host import caller


class TestStage(Stage):
    """Adds `dagger call test` and `dagger call test-reports`."""

    @stage_function
    async def test(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Run the services' own tests in their containers; uncommitted changes are tested, too."""
        from slipway.tester import run_tests

        _, works = await open_works(self, service, changed_since, clean=False, command=caller.command("test"))

        async def one(work: Work) -> str:
            return (await run_tests(work)).summary

        return await each("test", works, one)

    @stage_function
    async def test_reports(
        self, service: ServiceNames = None, changed_since: ChangedSince = ""
    ) -> dagger.Directory:
        """Run the tests, and return what they said, whether they passed or not.

        One folder for each service, with `output.txt` and, where one is configured, `junit.xml`.
        """
        from slipway.tester import reports

        command = caller.command("test-reports")
        _, works = await open_works(self, service, changed_since, clean=False, command=command)
        return await reports(works)


STAGE = TestStage
