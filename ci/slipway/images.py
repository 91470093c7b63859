"""Builds a service's image."""

from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway.credentials import build_secrets
from slipway_host.errors import SettingsError, TerminalError, quote
from slipway_host.recipe import INPUTS, REVISION, SOURCE, VERSION

if TYPE_CHECKING:
    from slipway.work import Work
    from slipway_host.settings import RegistrySettings


class BuildError(TerminalError):
    """The image cannot be built."""


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


def pulled(
    repository: str, digest: str, settings: "RegistrySettings", password: dagger.Secret
) -> dagger.Container:
    """Return an image that is in the registry already."""
    return (
        dag.container()
        .with_registry_auth(settings.host, settings.username, password)
        .from_(f"{repository}@{digest}")
    )
