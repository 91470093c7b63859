"""Deploy services: the whole chain, from the commit to proven-healthy pods."""

from typing import Annotated

import dagger
from dagger import Doc

from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage
from slipway.release import Release


class DeployStage(Stage):
    """Adds `dagger call deploy`."""

    @stage_function
    async def deploy(
        self,
        service: ServiceNames = None,
        changed_since: ChangedSince = "",
        *,
        plan: Annotated[
            dagger.File | None,
            Doc(
                "Saved plan (dagger call plan --as-json): do exactly that; nothing where the world has moved"
            ),
        ] = None,
        receipt_only: Annotated[bool, Doc("Print the JSON receipt and nothing else")] = False,
    ) -> str:
        """Take HEAD to proven-healthy pods, and print what was done and the JSON receipt.

        For each service: test, scan, build, scan of the image, push, secrets, database, migration;
        then one GitOps commit for all, sync by Argo CD, rollout, health, smoke test, load check, proof. What
        is in place already is left alone, so a second run changes nothing.
        """
        from slipway_host.receipt import summary, to_json

        receipt = await Release(self, service, changed_since, plan).run()
        return to_json(receipt) if receipt_only else f"{summary(receipt)}\n\n{to_json(receipt)}"


STAGE = DeployStage
