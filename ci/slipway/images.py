"""Builds a service's image for its platforms, and decides whether the registry has it already."""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway.credentials import build_secrets
from slipway.failures import build_error, same_platform, wrong_platform
from slipway_host.dockerfile import SCRATCH, final_base
from slipway_host.errors import ConflictError, SettingsError
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway.checkout import Checkout
    from slipway.work import Work
    from slipway_host.config import Environment, Service
    from slipway_host.registry import RegistryClient
    from slipway_host.remote_image import RemoteImage
    from slipway_host.settings import RegistrySettings

# https://github.com/opencontainers/image-spec/blob/main/annotations.md
REVISION = "org.opencontainers.image.revision"
SOURCE = "org.opencontainers.image.source"
VERSION = "org.opencontainers.image.version"
CREATED = "org.opencontainers.image.created"
"""When the commit was made, not when it was built: a build of the same commit gives the same image."""
INPUTS = "dev.slipway.build-inputs"
"""Digest of what makes two images of one commit differ: file, context, arguments, platforms."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A service's image, one container for each platform.

    Args:
        variants: platform → container; "" is the engine's own platform, where the service names none.
    """

    variants: dict[str, dagger.Container]

    @property
    def single(self) -> dagger.Container | None:
        """The one container; None where there are several platforms."""
        found = tuple(self.variants.values())
        return found[0] if len(found) == 1 else None

    async def publish(self, address: str, *, host: str, username: str, password: dagger.Secret) -> str:
        """Push it, several platforms as one index; return the digest."""
        single = self.single
        account = (single or dag.container()).with_registry_auth(host, username, password)
        variants = None if single else list(self.variants.values())
        return (await account.publish(address, platform_variants=variants)).rpartition("@")[2]


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


def recipe(service: "Service", environment: "Environment", *, checkout: "Checkout", name: str) -> Recipe:
    """Return how a service is built in an environment."""
    values = {"{commit}": checkout.commit, "{tag}": checkout.tag, "{environment}": name}
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


async def built(work: "Work") -> Image:
    """Return the service's image, built for its platforms side by side.

    Raises:
        BuildError: the Dockerfile's own last words, or what the engine lacks.
        SettingsError: a build secret is not given.
    """
    platforms = work.recipe.platforms or ("",)
    containers = await together(*(partial(built_for, work, platform) for platform in platforms))
    return Image(variants=dict(zip(platforms, containers, strict=True)))


async def built_here(work: "Work") -> dagger.Container:
    """Return the image for the engine's own platform.

    Raises:
        BuildError: as `built`.
        SettingsError: as `built`, or the service has several platforms and not the engine's.
    """
    platforms = work.recipe.platforms
    if len(platforms) < 2:  # noqa: PLR2004 - the only one, whichever it is
        return await built_for(work, *(platforms or ("",)))
    own = await dag.default_platform()
    if own not in platforms:
        raise SettingsError(
            f"services.{work.name}.platforms has {', '.join(platforms)}, and not the engine's {own}",
            next_command="dagger call build builds all of them",
        )
    return await built_for(work, own)


async def built_for(work: "Work", platform: str) -> dagger.Container:
    """Return the image for one platform, "" for the engine's own."""
    how, checkout = work.recipe, work.checkout
    image = checkout.tree.directory(how.context).docker_build(
        dockerfile=how.dockerfile,
        platform=dagger.Platform(platform) if platform else None,
        build_args=[dagger.BuildArg(name, value) for name, value in sorted(how.arguments.items())],
        secrets=await build_secrets(work.inputs.build_secrets, work.service.build_secrets),
    )
    labels = {
        REVISION: checkout.commit,
        VERSION: checkout.tag,
        CREATED: f"{await checkout.committed_at():%Y-%m-%dT%H:%M:%SZ}",
        INPUTS: how.inputs,
    }
    if checkout.url:
        labels[SOURCE] = checkout.url
    try:
        found = str(await (await image.sync()).platform())
    except dagger.QueryError as error:
        raise build_error(error, platform) from error
    if platform and not same_platform(found, platform):
        dockerfile = await checkout.tree.directory(how.context).file(how.dockerfile).contents()
        if final_base(dockerfile) != SCRATCH:
            raise wrong_platform(found, platform)
        image = await _moved(image, platform)
    for name, value in labels.items():
        image = image.with_label(name, value)
    return await image.sync()


async def _moved(image: dagger.Container, platform: str) -> dagger.Container:
    """Return an image that started from nothing as one of its real platform.

    Dagger 0.21 takes what `FROM scratch` begins for the engine's own platform, whatever was asked for.
    """
    moved = dag.container(platform=dagger.Platform(platform)).with_rootfs(image.rootfs())
    moved = moved.with_user(await image.user()).with_workdir(await image.workdir())
    for variable in await image.env_variables():
        moved = moved.with_env_variable(await variable.name(), await variable.value())
    for label in await image.labels():
        moved = moved.with_label(await label.name(), await label.value())
    for port in await image.exposed_ports():
        moved = moved.with_exposed_port(await port.port(), protocol=await port.protocol())
    return moved.with_entrypoint(await image.entrypoint()).with_default_args(await image.default_args())


async def find_pushed(
    client: "RegistryClient", repository: str, *, checkout: "Checkout", how: Recipe, host: str
) -> "RemoteImage | None":
    """Return the registry's image of this commit and recipe, None where there is none yet.

    An image of the same inputs is built once and then used everywhere (R7): two engines do not make
    the same bytes, and the one that was tested is the one to run.

    Raises:
        ConflictError: the tag is another commit's, or other build arguments' or platforms', or the
            platforms in it do not agree (faults 10 and 28).
    """
    path = repository.removeprefix(f"{host}/")
    found = await client.find(path, checkout.tag)
    if found is None:
        return None
    revisions = found.labelled(REVISION)
    if revisions != {checkout.commit}:
        named = ", ".join(sorted(filter(None, revisions)))
        raise ConflictError(
            f"{repository}:{checkout.tag} exists and was built from "
            f"{f'commit {named}' if named else 'no commit that it names'}; it is not overwritten",
            next_command="commit again for another hash, or delete that tag if it is a mistake",
        )
    if found.labelled(INPUTS) != {how.inputs}:
        raise ConflictError(
            f"{repository}:{checkout.tag} exists with other build arguments or platforms; "
            "it is not overwritten",
            next_command="commit the change of slipway.yaml, or give the environment a registry of its own "
            "(environments.<name>.registry) where its build arguments differ",
        )
    return found


def pulled(
    repository: str, found: "RemoteImage", settings: "RegistrySettings", password: dagger.Secret
) -> Image:
    """Return an image that is in the registry already, with all its platforms."""
    return Image(
        variants={
            variant.platform: dag.container(platform=dagger.Platform(variant.platform))
            .with_registry_auth(settings.host, settings.username, password)
            .from_(f"{repository}@{variant.digest}")
            for variant in found.variants
        }
    )
