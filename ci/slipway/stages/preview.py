"""Previews: an environment for each branch or pull request."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class PreviewStage(Stage):
    """Adds `dagger call preview`, `previews` and `remove-preview`."""

    @stage_function
    async def preview(self, service: ServiceNames = None) -> str:
        """Make the applications of a preview where they are not there, and wait until Argo CD has them.

        The environment is the preview's name, like pr-42, for which slipway.yaml has a pattern. Each
        application is a copy of another environment's, in a namespace and with a database of its own.
        `deploy` does the rest.
        """
        from slipway_host import previewing

        return told(await previewing.preview(await open_call(self, "preview", service)))

    @stage_function
    async def previews(
        self,
        service: ServiceNames = None,
        *,
        as_json: Annotated[bool, Doc("Print JSON instead of text")] = False,
    ) -> str:
        """List the previews that there are in the GitOps repository, the oldest change first."""
        from slipway_host import preview_list

        return told(await preview_list.previews(await open_call(self, "previews", service), as_json=as_json))

    @stage_function
    async def remove_preview(
        self,
        confirm: Annotated[str, Doc("Its name once more, since its databases and everything in them go")],
        service: ServiceNames = None,
    ) -> str:
        """Take a preview away: its applications, their databases, and its namespaces.

        What was removed already is left out: a run that was interrupted is completed by the next one.
        """
        from slipway_host import previewing

        call = await open_call(self, "remove-preview", service)
        return told(await previewing.remove(call, confirm=confirm))


STAGE = PreviewStage
