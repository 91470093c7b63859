"""Return the files of a run."""

import json
from typing import Annotated

import dagger
from dagger import Doc

from slipway.calls import call_of
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage
from slipway.work import open_works
from slipway_host.caller import command


class RecordStage(Stage):
    """Adds `dagger call record`."""

    @stage_function
    async def record(
        self,
        service: ServiceNames = None,
        run: Annotated[str, Doc("Run whose files they are; without it, the newest of HEAD here")] = "",
    ) -> dagger.Directory:
        """Return the files of a deploy or rollback, of one that failed, too: receipt, log, summary, report.

        They are in the engine that ran it. `--service` as the run had it tells runs of one commit apart.
        """
        from slipway.records import Records
        from slipway_host import reports

        checkout, works = await open_works(self, service, "", clean=False, command=command("record"))
        names = [work.name for work in works] if service else []
        files = await Records(checkout=checkout, environment=self.environment).find(run, names)
        document = json.loads(await files.file("receipt.json").contents())
        # Made now and not by the run, which is not to wait for a drawing.
        call = call_of(self, checkout, works)
        return files.with_new_file("report.html", await reports.of_document(document, call.targets, call.git))


STAGE = RecordStage
