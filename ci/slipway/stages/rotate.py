"""Give keys of a service's Secret new values."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class RotateStage(Stage):
    """Adds `dagger call rotate`."""

    @stage_function
    async def rotate(
        self,
        key: Annotated[list[str], Doc("Keys of the Secret; DATABASE_URL means the database's password")],
        confirm: Annotated[str, Doc("The Secret's name, since the old values stop working")],
        service: ServiceNames = None,
        rotation: Annotated[
            str, Doc("Name of the rotation; run again under it, nothing changes twice. Default: today's date")
        ] = "",
    ) -> str:
        """Give keys of a service's Secret new values, and replace every pod that reads it.

        No other function changes a value that is there. Killed anywhere, the same call completes it.
        """
        from slipway_host import intervention

        call = await open_call(self, "rotate", service, clean=True)
        return told(await intervention.rotate(call, key=key, confirm=confirm, name=rotation))


STAGE = RotateStage
