"""What an image is built from, and whether the registry has that image already."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.errors import ConflictError

if TYPE_CHECKING:
    from slipway_host.config import Environment, Service
    from slipway_host.registry import RegistryClient, RemoteImage
    from slipway_host.settings import Target

# https://github.com/opencontainers/image-spec/blob/main/annotations.md
REVISION = "org.opencontainers.image.revision"
SOURCE = "org.opencontainers.image.source"
VERSION = "org.opencontainers.image.version"
INPUTS = "dev.slipway.build-inputs"
"""Digest of what makes two images of one commit differ: file, context, arguments."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What an image is built from, beside the files of the commit.

    Args:
        context: folder, from the repository's root.
        dockerfile: path in the context.
        arguments: build arguments, environment's over service's, placeholders filled in.
    """

    context: str
    dockerfile: str
    arguments: dict[str, str]

    @property
    def inputs(self) -> str:
        """Digest of the recipe."""
        text = json.dumps([self.context, self.dockerfile, sorted(self.arguments.items())])
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
    return Recipe(context=service.context, dockerfile=service.dockerfile, arguments=arguments)


async def find_pushed(
    client: RegistryClient, target: Target, how: Recipe, *, tag: str, host: str
) -> RemoteImage | None:
    """Return the registry's image of the target's commit and recipe, None where there is none yet.

    An image of the same inputs is built once and then used everywhere (R7): two engines do not make
    the same bytes, and the one that was tested is the one to run.

    Raises:
        ConflictError: the tag is another commit's, or other build arguments' (faults 10 and 28).
    """
    repository = target.repository
    found = await client.find(repository.removeprefix(f"{host}/"), tag)
    if found is None:
        return None
    revision = found.labels.get(REVISION, "")
    if revision != target.commit:
        theirs = f"commit {revision}" if revision else "no commit that it names"
        raise ConflictError(
            f"{repository}:{tag} exists and was built from {theirs}; it is not overwritten",
            next_command="commit again for another hash, or delete that tag if it is a mistake",
        )
    if found.labels.get(INPUTS) != how.inputs:
        raise ConflictError(
            f"{repository}:{tag} exists with other build arguments; it is not overwritten",
            next_command="commit the change of slipway.yaml, or give the environment a registry of its own "
            "(environments.<name>.registry) where its build arguments differ",
        )
    return found
