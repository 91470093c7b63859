"""Deploy a service: the whole chain, from the commit to proven-healthy pods."""

from typing import Annotated

from dagger import Doc

from slipway.chain import Chain
from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage


class DeployStage(Stage):
    """Adds `dagger call deploy`."""

    @stage_function
    async def deploy(
        self,
        service: ServiceName = "",
        *,
        receipt_only: Annotated[bool, Doc("Print the JSON receipt and nothing else")] = False,
    ) -> str:
        """Take HEAD to proven-healthy pods, and print what was done and the JSON receipt.

        Test, scan, build, scan of the image, push, secrets, database, GitOps commit, sync by Argo
        CD, rollout, health, proof. What is in place already is left alone, so a second run changes
        nothing.
        """
        from slipway_host.run import summary, to_json

        receipt = await Chain(self, service).run()
        return to_json(receipt) if receipt_only else f"{summary(receipt)}\n\n{to_json(receipt)}"


STAGE = DeployStage
