"""What a `slipway-host` command starts from: the configuration, the commit, and the images of it."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio

from slipway_host import selection
from slipway_host.caller import command
from slipway_host.errors import ConflictError, NotFoundError, SettingsError
from slipway_host.handover import Handover, images_of, read_handover
from slipway_host.recipe import find_pushed, recipe
from slipway_host.source import Source
from slipway_host.together import together

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from slipway_host.config import Config
    from slipway_host.remote_image import RemoteImage
    from slipway_host.settings import RegistrySettings, Target

PREFLIGHT = "preflight"


class Intake:
    """Reads what the command line names, and refuses what does not fit together.

    Args:
        path: of `slipway.yaml`, in a clone of the services' repository.
        options: of `command.parser()`.
    """

    def __init__(self, path: Path, options: argparse.Namespace) -> None:
        self.source = Source(path.absolute().parent)
        self._path = path
        self._options = options

    async def config_text(self) -> str:
        """Return the configuration's text."""
        try:
            return (await anyio.Path(self._path).read_bytes()).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{self._path} cannot be read: {type(error).__name__}",
                next_command=f"{command(self._options.command, '--config=<path>')}, in a clone of the "
                "services' repository",
            ) from None

    async def handover(self, config: Config) -> Handover:
        """Return what --receipt and --image say."""
        name = getattr(self._options, "receipt", "")
        given = images_of(getattr(self._options, "image", ()))
        handover = Handover()
        if name:
            try:
                text = sys.stdin.read() if name == "-" else await anyio.Path(name).read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"{name} cannot be read: {type(error).__name__}") from None
            handover = read_handover(text, name=name)
        asked = self._options.environment
        if asked and handover.environment not in {"", asked}:
            raise SettingsError(
                f"{name} is a receipt of environment {handover.environment}, and {asked} was asked for"
            )
        digests = {**handover.digests, **given}
        selection.select(config, list(digests))
        return Handover(digests=digests, commit=handover.commit, environment=handover.environment)

    async def commit(self, text: str, handover: Handover) -> str:
        """Return the commit to deliver; its configuration has to be the one that counts here."""
        asked = self._options.commit
        commit = await self.source.resolve(asked or handover.commit or "HEAD")
        if handover.commit and commit != handover.commit:
            raise SettingsError(f"the receipt is of commit {handover.commit}, and {asked[:80]} was asked for")
        # What was tested and built with one configuration is not to be delivered with another.
        if await self.source.file_at(commit, self._path.name) != text.encode():
            raise SettingsError(
                f"{self._path} is not what commit {commit[:8]} has: it would be delivered with another "
                "configuration than it was built with",
                stage="config",
                next_command=f"git checkout {commit[:8]} -- {self._path}",
            )
        return commit


async def images_for(
    config: Config, found: Sequence[Target], registry: RegistrySettings, handover: Handover
) -> dict[str, RemoteImage]:
    """Return what the registry has for the commit, by service; which is what was asked for."""
    from slipway_host.registry import RegistryClient

    async def one(client: RegistryClient, target: Target) -> RemoteImage:
        service, name = config.services[target.service], target.environment
        place = config.environment(name, target.service)
        how = recipe(service, place, commit=target.commit, tag=target.tag, name=name)
        image = await find_pushed(client, target, how, tag=target.tag, host=registry.host)
        address = f"{target.repository}:{target.tag}"
        if image is None:
            raise NotFoundError(
                f"{address} is not in the registry", stage=PREFLIGHT, next_command=command("push")
            )
        asked = handover.digests.get(target.service, image.digest)
        if asked != image.digest:
            raise ConflictError(f"{address} is {image.digest}, not {asked}", stage=PREFLIGHT)
        return image

    async with RegistryClient(registry) as client:
        images = await together(*(partial(one, client, target) for target in found))
    return {target.service: image for target, image in zip(found, images, strict=True)}
