"""Say what a deploy would change."""

import json
from typing import Annotated

from dagger import Doc

from slipway import foreseen, trust
from slipway.calls import call_of
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.work import open_works
from slipway_host.caller import command


class PlanStage(Stage):
    """Adds `dagger call plan`."""

    @stage_function
    async def plan(
        self,
        service: ServiceNames = None,
        changed_since: ChangedSince = "",
        *,
        as_json: Annotated[
            bool, Doc("Print JSON instead of text: for deploy --plan, and for programs")
        ] = False,
    ) -> str:
        """Show exactly what a deploy of HEAD would change now, and change nothing.

        Values diff and commit message, SQL, keys of Secrets, images, and what Argo CD makes of it; also
        what would stop the deploy. Nothing is built, so the digest of a new image is not known yet.
        """
        from slipway_host import foresight, plan_text
        from slipway_host.passage import Passage

        again = command("plan")
        checkout, works = await open_works(
            self, service, changed_since, clean=True, command=again, besides=foreseen.FILE
        )
        if not works:
            empty = {"planVersion": 1, "services": [], "summary": plan_text.NOTHING}
            return json.dumps(empty) if as_json else plan_text.NOTHING
        call, means = call_of(self, checkout, works), await trust.check_required(works)
        accounts = await call.accounts()
        async with call.cluster() as kube:
            wish = await foreseen.wish(checkout, works, means, run_id=call.run_id)
            ways = [
                Passage(work.name, call.delivery(work.target, kube), accounts, command=again)
                for work in works
            ]
            return await foresight.show(ways, wish, as_json=as_json)


STAGE = PlanStage
