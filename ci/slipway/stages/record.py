"""Return the files of a run."""

from typing import Annotated

import dagger
from dagger import Doc

from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class RecordStage(Stage):
    """Adds `dagger call record`."""

    @stage_function
    async def record(
        self,
        service: ServiceNames = None,
        run: Annotated[str, Doc("Run whose files they are; without it, the newest of HEAD here")] = "",
    ) -> dagger.Directory:
        """Return the files of a deploy or rollback, of one that failed, too: receipt, build.log, summary.

        They are in the engine that ran it. `--service` as the run had it tells runs of one commit apart.
        """
        from slipway.checkout import open_checkout
        from slipway.records import Records
        from slipway_host import caller, selection

        command = caller.command("record")
        checkout = await open_checkout(self.source, self.config_path, clean=False, next_command=command)
        checkout.config.environment(self.environment)
        names = selection.select(checkout.config, service) if service else []
        return await Records(checkout=checkout, environment=self.environment).find(run, names)


STAGE = RecordStage
