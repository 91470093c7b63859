"""Read what the services' pods say and measure."""

from typing import Annotated

from dagger import Doc

from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage, say
from slipway.work import Work, cluster, open_works
from slipway_host.errors import SettingsError

MOST_LINES = 10_000
LONGEST_S = 3600


class LogsStage(Stage):
    """Adds `dagger call logs` and `dagger call metrics`."""

    @stage_function
    async def logs(
        self,
        service: ServiceNames = None,
        tail: Annotated[int, Doc("Lines of each container")] = 100,
        previous: Annotated[bool, Doc("Those of the containers before their last restart")] = False,  # noqa: FBT002 - a flag
        container: Annotated[str, Doc("Only containers of this name")] = "",
        follow: Annotated[int, Doc("Seconds to print new lines for, as they come")] = 0,
    ) -> str:
        """Show the logs of the services' pods; what looks like a credential is left out."""
        from slipway_host import logs

        if not 1 <= tail <= MOST_LINES or not 0 <= follow <= LONGEST_S:
            raise SettingsError(
                f"--tail is 1 to {MOST_LINES} lines, --follow 0 to {LONGEST_S} seconds",
                stage="logs",
                next_command="dagger call logs --tail=100",
            )
        _, works = await open_works(self, service, "", clean=False, command="dagger call logs")
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                if follow:
                    count = await logs.follow(
                        kube, work.target, seconds=follow, report=say, container=container
                    )
                    return f"{count} new lines in {follow} s"
                return await logs.tail(kube, work.target, lines=tail, previous=previous, container=container)

            return await each("logs", works, one)

    @stage_function
    async def metrics(
        self,
        service: ServiceNames = None,
        match: Annotated[str, Doc("Only metrics whose name holds this")] = "",
    ) -> str:
        """Show what each ready pod answers on its Prometheus endpoint now."""
        from slipway_host import metrics

        _, works = await open_works(self, service, "", clean=False, command="dagger call metrics")
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                endpoint = work.service.metrics
                port = endpoint.port or work.service.health.port
                return await metrics.snapshot(kube, work.target, port=port, path=endpoint.path, match=match)

            return await each("metrics", works, one)


STAGE = LogsStage
