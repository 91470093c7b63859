"""What an image is built from, and whether the registry has that image already."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.errors import ConflictError

if TYPE_CHECKING:
    from slipway_host.config import Environment, Service
    from slipway_host.registry import RegistryClient
    from slipway_host.remote_image import RemoteImage
    from slipway_host.settings import Target

# https://github.com/opencontainers/image-spec/blob/main/annotations.md
REVISION = "org.opencontainers.image.revision"
SOURCE = "org.opencontainers.image.source"
VERSION = "org.opencontainers.image.version"
CREATED = "org.opencontainers.image.created"
"""When the commit was made, not when it was built: a build of the same commit gives the same image."""
INPUTS = "dev.slipway.build-inputs"
"""Digest of what makes two images of one commit differ: file, context, arguments, platforms."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What an image is built from, beside the files of the commit.

    Args:
        context: folder, from the repository's root.
        dockerfile: path in the context.
        arguments: build arguments, environment's over service's, placeholders filled in.
        platforms: for which; none for the engine's own.
    """

    context: str
    dockerfile: str
    arguments: dict[str, str]
    platforms: tuple[str, ...] = ()

    @property
    def inputs(self) -> str:
        """Digest of the recipe."""
        parts = [self.context, self.dockerfile, sorted(self.arguments.items())]
        text = json.dumps([*parts, sorted(self.platforms)] if self.platforms else parts)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def recipe(service: Service, environment: Environment, *, commit: str, tag: str, name: str) -> Recipe:
    """Return how a service is built in an environment of that name."""
    values = {"{commit}": commit, "{tag}": tag, "{environment}": name}
    arguments = {**service.build_args, **environment.build_args}
    for key, text in arguments.items():
        filled = text
        for placeholder, value in values.items():
            filled = filled.replace(placeholder, value)
        arguments[key] = filled
    return Recipe(
        context=service.context,
        dockerfile=service.dockerfile,
        arguments=arguments,
        platforms=service.platforms,
    )


async def find_pushed(
    client: RegistryClient, target: Target, how: Recipe, *, tag: str, host: str
) -> RemoteImage | None:
    """Return the registry's image of the target's commit and recipe, None where there is none yet.

    An image of the same inputs is built once and then used everywhere (R7): two engines do not make
    the same bytes, and the one that was tested is the one to run.

    Raises:
        ConflictError: the tag is another commit's, or other build arguments' or platforms', or the
            platforms in it do not agree (faults 10 and 28).
    """
    repository = target.repository
    found = await client.find(repository.removeprefix(f"{host}/"), tag)
    if found is None:
        return None
    revisions = found.labelled(REVISION)
    if revisions != {target.commit}:
        named = ", ".join(sorted(filter(None, revisions)))
        raise ConflictError(
            f"{repository}:{tag} exists and was built from "
            f"{f'commit {named}' if named else 'no commit that it names'}; it is not overwritten",
            next_command="commit again for another hash, or delete that tag if it is a mistake",
        )
    if found.labelled(INPUTS) != {how.inputs}:
        raise ConflictError(
            f"{repository}:{tag} exists with other build arguments or platforms; it is not overwritten",
            next_command="commit the change of slipway.yaml, or give the environment a registry of its own "
            "(environments.<name>.registry) where its build arguments differ",
        )
    return found
