"""Builds a service's image, and decides whether the registry has it already."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway.credentials import build_secrets
from slipway_host.errors import ConflictError, SettingsError, TerminalError, quote

if TYPE_CHECKING:
    from slipway.checkout import Checkout
    from slipway.work import Work
    from slipway_host.config import Environment, Service
    from slipway_host.registry import RegistryClient, RemoteImage
    from slipway_host.settings import RegistrySettings

# https://github.com/opencontainers/image-spec/blob/main/annotations.md
REVISION = "org.opencontainers.image.revision"
SOURCE = "org.opencontainers.image.source"
VERSION = "org.opencontainers.image.version"
INPUTS = "dev.slipway.build-inputs"
"""Digest of what makes two images of one commit differ: file, context, arguments."""


class BuildError(TerminalError):
    """The image cannot be built."""


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


def recipe(service: "Service", environment: "Environment", *, checkout: "Checkout", name: str) -> Recipe:
    """Return how a service is built in an environment."""
    values = {"{commit}": checkout.commit, "{tag}": checkout.tag, "{environment}": name}
    arguments = {**service.build_args, **environment.build_args}
    for key, text in arguments.items():
        filled = text
        for placeholder, value in values.items():
            filled = filled.replace(placeholder, value)
        arguments[key] = filled
    return Recipe(context=service.context, dockerfile=service.dockerfile, arguments=arguments)


async def built(work: "Work") -> dagger.Container:
    """Return the service's image, built.

    Raises:
        BuildError: the Dockerfile's own last words.
        SettingsError: a build secret is not given, or several platforms are asked for.
    """
    how, checkout, platforms = work.recipe, work.checkout, work.service.platforms
    if len(platforms) > 1:
        raise SettingsError(
            f"services.{work.name}.platforms: one image for several platforms is not built yet: name one"
        )
    image = checkout.tree.directory(how.context).docker_build(
        dockerfile=how.dockerfile,
        platform=dagger.Platform(platforms[0]) if platforms else None,
        build_args=[dagger.BuildArg(name, value) for name, value in sorted(how.arguments.items())],
        secrets=await build_secrets(work.inputs.build_secrets, work.service.build_secrets),
    )
    labels = {REVISION: checkout.commit, VERSION: checkout.tag, INPUTS: how.inputs}
    if checkout.url:
        labels[SOURCE] = checkout.url
    for name, value in labels.items():
        image = image.with_label(name, value)
    try:
        return await image.sync()
    except dagger.ExecError as error:
        raise BuildError(
            f"{' '.join(error.command)[:80]} ended with {error.exit_code}: "
            f"{quote((error.stderr or error.stdout)[-600:])}",
            next_command="correct the Dockerfile or the code; `dagger call build` tries it alone",
        ) from error
    except dagger.QueryError as error:
        raise BuildError(quote(str(error)), next_command="dagger call build") from error


async def find_pushed(
    client: "RegistryClient", repository: str, *, checkout: "Checkout", how: Recipe, host: str
) -> "RemoteImage | None":
    """Return the registry's image of this commit and recipe, None where there is none yet.

    An image of the same inputs is built once and then used everywhere (R7): two engines do not make
    the same bytes, and the one that was tested is the one to run.

    Raises:
        ConflictError: the tag is another commit's, or other build arguments' (faults 10 and 28).
    """
    path = repository.removeprefix(f"{host}/")
    found = await client.find(path, checkout.tag)
    if found is None:
        return None
    revision = found.labels.get(REVISION, "")
    if revision != checkout.commit:
        theirs = f"commit {revision}" if revision else "no commit that it names"
        raise ConflictError(
            f"{repository}:{checkout.tag} exists and was built from {theirs}; it is not overwritten",
            next_command="commit again for another hash, or delete that tag if it is a mistake",
        )
    if found.labels.get(INPUTS) != how.inputs:
        raise ConflictError(
            f"{repository}:{checkout.tag} exists with other build arguments; it is not overwritten",
            next_command="commit the change of slipway.yaml, or give the environment a registry of its own "
            "(environments.<name>.registry) where its build arguments differ",
        )
    return found


def pulled(
    repository: str, digest: str, settings: "RegistrySettings", password: dagger.Secret
) -> dagger.Container:
    """Return an image that is in the registry already."""
    return (
        dag.container()
        .with_registry_auth(settings.host, settings.username, password)
        .from_(f"{repository}@{digest}")
    )
