"""List what ran where."""

import json
from typing import Annotated

from dagger import Doc

from slipway.each import NOBODY
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage, say
from slipway.work import open_works
from slipway_host.errors import DeliveryError, SettingsError

MOST = 10_000


class HistoryStage(Stage):
    """Adds `dagger call history`."""

    @stage_function
    async def history(
        self,
        service: ServiceNames = None,
        limit: Annotated[int, Doc("Entries of each service, newest first")] = 20,
        *,
        json_output: Annotated[bool, Doc("Print JSON")] = False,
    ) -> str:
        """List the images that ran: tag, GitOps commit, source commit, when, by whom and how.

        Read from the values file's own history, whoever wrote it; where runs kept receipts, with how they
        ended, how long they took, and whether the branch says the same.
        """
        from slipway_host import git, receipts
        from slipway_host import history as histories

        if not 1 <= limit <= MOST:
            raise SettingsError(f"--limit is 1 to {MOST}", next_command="dagger call history --limit=20")
        _, works = await open_works(self, service, "", clean=False, command="dagger call history")
        if not works:
            return NOBODY
        found = {}
        settings, places = await works[0].git(), [work.target for work in works]
        async with git.clone(settings, depth=200) as copy:
            await copy.fetch()
            for target in places:
                entries = await histories.read(copy, target.app, target.values, limit=limit)
                found[target.service] = entries
            try:
                kept = await receipts.stored(settings, places, limit=3 * limit)
                kept = await receipts.verified(copy, places, kept)
            except DeliveryError as error:
                # What ran is known without them.
                say(f"WARNING: receipts of runs cannot be read: {error.cause}")
                kept = {}
        for name, reading in kept.items():
            found[name] = histories.told(found[name], reading.receipts)
            for line in reading.unreadable:
                say(f"WARNING: a receipt cannot be read: {line}")
        if json_output:
            documents = {name: [entry.document() for entry in entries] for name, entries in found.items()}
            return json.dumps(documents, indent=2, ensure_ascii=False)
        return "\n\n".join(f"{name}:\n{histories.table(entries)}" for name, entries in found.items())


STAGE = HistoryStage
