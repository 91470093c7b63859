"""Show the configuration that counts."""

from slipway.checkout import open_checkout
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage
from slipway_host import caller


class ConfigStage(Stage):
    """Adds `dagger call config`."""

    @stage_function
    async def config(self, service: ServiceNames = None) -> str:
        """Show the environment's effective configuration, with the origin of each value.

        Inherited values name the environment and the line that says them; nothing outside is asked.
        """
        from slipway_host import effective, selection
        from slipway_host.document import parse

        path = self.config_path
        checkout = await open_checkout(self.source, path, clean=False, next_command=caller.command("config"))
        names = selection.select(checkout.config, service or [])
        document = parse(await checkout.tree.file(path).contents(), path=path)
        return effective.lines(effective.effective(document, self.environment, names))


STAGE = ConfigStage
