"""Say what runs where."""

import json
from typing import Annotated

from dagger import Doc

from slipway.each import NOBODY
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage
from slipway.work import cluster, open_works


class StatusStage(Stage):
    """Adds `dagger call status`."""

    @stage_function
    async def status(
        self,
        service: ServiceNames = None,
        *,
        as_json: Annotated[bool, Doc("Print JSON instead of text")] = False,
    ) -> str:
        """Show what runs of the services: since when, by which commits, deployed by whom, and how it is.

        What cannot be read, the GitOps repository without a token for example, is said in its place.
        """
        from slipway_host.overview import overviews, screen

        _, works = await open_works(self, service, "", clean=False, command="dagger call status")
        if not works:
            return NOBODY
        async with cluster(self) as kube:
            found = await overviews([w.target for w in works], kube=kube, repository=works[0].git)
        if as_json:
            return json.dumps([one.document for one in found], indent=2, ensure_ascii=False)
        return screen(found)


STAGE = StatusStage
