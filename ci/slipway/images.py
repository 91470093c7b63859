"""Builds a service's image for its platforms."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway.credentials import build_secrets
from slipway.failures import build_error, same_platform, wrong_platform
from slipway_host import caller
from slipway_host.dockerfile import SCRATCH, final_base
from slipway_host.errors import SettingsError
from slipway_host.recipe import CREATED, INPUTS, REVISION, SOURCE, VERSION
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway.work import Work
    from slipway_host.remote_image import RemoteImage
    from slipway_host.settings import RegistrySettings


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
            next_command=f"{caller.command('build')} builds all of them",
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
