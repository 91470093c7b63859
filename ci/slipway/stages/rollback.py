"""Return services to an older image."""

from typing import Annotated

from dagger import Doc

from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class RollbackStage(Stage):
    """Adds `dagger call rollback`."""

    @stage_function
    async def rollback(
        self,
        service: ServiceNames = None,
        to: Annotated[
            str, Doc("Tag to return to; without it, the newest that was not rolled back from")
        ] = "",
        revert: Annotated[str, Doc("GitOps commit of a deploy to take back, in place of a tag")] = "",
        reason: Annotated[str, Doc("Why, for whoever is stopped by the hold")] = "",
        by: Annotated[str, Doc("Who rolls back; without it, the git account")] = "",
        *,
        hold: Annotated[
            bool, Doc("Stop every deploy until that is lifted, and not only those of the tag that is left")
        ] = False,
        receipt_only: Annotated[bool, Doc("Print the JSON receipt and nothing else")] = False,
    ) -> str:
        """Return services to an older image by one GitOps commit, and prove that it runs, as a deploy does.

        The tag that is left is held: it is not deployed again until somebody lifts that. Databases are not
        touched. Where the last change was a rollback already, nothing is changed.
        """
        from slipway.retreat import retreat
        from slipway_host.way_back import Wish

        wish = Wish(to=to, revert=revert, reason=reason, by=by or self.git_username, everything=hold)
        return told(await retreat(self, service, wish, receipt_only=receipt_only))


STAGE = RollbackStage
