"""One service in one call: opened once, and asked by each stage for the few things that it needs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagger

from slipway.accounts import Given
from slipway.checkout import Checkout, open_checkout
from slipway.credentials import app_secrets, reveal, reveal_optional
from slipway.inputs import Stage, say
from slipway.scanner import Trivy
from slipway_host import caller
from slipway_host.errors import NotFoundError
from slipway_host.recipe import find_pushed, recipe

if TYPE_CHECKING:
    from slipway_host.config import Environment, Service
    from slipway_host.delivery import Delivery
    from slipway_host.kube import KubeClient
    from slipway_host.recipe import Recipe
    from slipway_host.remote_image import RemoteImage
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings, Target


@dataclass(frozen=True, kw_only=True)
class Work:
    """One service of one checkout, in one environment.

    Args:
        inputs: the module's object, for its secrets.
        checkout: the commit.
        name: the service's key.
        service: its configuration.
        environment: the environment's configuration.
        target: where it goes, every default filled in.
        scanner: Trivy, shared by all services of the call.
    """

    inputs: Stage
    checkout: Checkout
    name: str
    service: "Service"
    environment: "Environment"
    target: "Target"
    scanner: Trivy

    @property
    def recipe(self) -> "Recipe":
        """How the image is built."""
        return recipe(
            self.service,
            self.environment,
            commit=self.checkout.commit,
            tag=self.checkout.tag,
            name=self.target.environment,
        )

    @property
    def address(self) -> str:
        """The image's reference by tag."""
        return f"{self.target.repository}:{self.checkout.tag}"

    async def registry(self) -> "RegistrySettings":
        """Return the account at the registry."""
        return await Given(self.inputs, self.checkout.config).registry()

    async def git(self) -> "GitSettings":
        """Return the GitOps repository and the account that writes to it."""
        return await Given(self.inputs, self.checkout.config).git()

    async def postgres(self) -> "PostgresSettings":
        """Return the PostgreSQL server."""
        return await Given(self.inputs, self.checkout.config).postgres()

    async def pushed(self) -> "RemoteImage | None":
        """Return the registry's image of this commit, None where there is none yet."""
        from slipway_host.registry import RegistryClient

        settings = await self.registry()
        async with RegistryClient(settings) as client:
            return await find_pushed(
                client, self.target, self.recipe, tag=self.checkout.tag, host=settings.host
            )

    async def tagged(self, tag: str) -> "RemoteImage | None":
        """Return what the registry has under another tag of the service, or under a digest."""
        from slipway_host.registry import RegistryClient

        settings = await self.registry()
        async with RegistryClient(settings) as client:
            return await client.find(self.target.repository.removeprefix(f"{settings.host}/"), tag)

    async def image(self) -> "RemoteImage":
        """Return the pushed image.

        Raises:
            NotFoundError: it has not been pushed.
        """
        found = await self.pushed()
        if found is None:
            raise NotFoundError(f"{self.address} is not in the registry", next_command=caller.command("push"))
        return found

    async def digest(self) -> str:
        """Return the digest of the pushed image; as `image`."""
        return (await self.image()).digest

    def secret(self, name: str) -> dagger.Secret:
        """Return a secret that was revealed before, to hand it on to the engine unread."""
        found: dagger.Secret | None = getattr(self.inputs, name)
        assert found is not None  # noqa: S101 - reveal() has raised otherwise
        return found

    def delivery(self, kube: "KubeClient", run_id: str) -> "Delivery":
        """Return the stages after the push."""
        from slipway_host import argocd_access
        from slipway_host.delivery import Delivery

        config = self.checkout.config
        own_api = argocd_access.server(config.argocd, Given(self.inputs, config).argocd_token)
        applications = argocd_access.applications(own_api, kube)
        return Delivery(target=self.target, kube=kube, applications=applications, run_id=run_id, report=say)


@asynccontextmanager
async def cluster(inputs: Stage) -> "AsyncIterator[KubeClient]":
    """Give the connection to the cluster that all services share."""
    from slipway_host.kube import KubeClient

    kubeconfig = await reveal(inputs.kube_config, "KUBE_CONFIG", multiline=True)
    # A container has none of the programs that a kubeconfig may name, and runs none of them.
    async with await KubeClient.connect(kubeconfig, programs=False) as kube:
        yield kube


async def open_works(
    inputs: Stage,
    services: list[str] | None,
    changed_since: str,
    *,
    clean: bool,
    command: str,
    besides: str = "",
) -> tuple[Checkout, list[Work]]:
    """Read the commit and its configuration, and return the services that the call is about.

    Args:
        inputs: the module's object.
        services: keys; None or nothing for all.
        changed_since: a revision, or nothing.
        clean: refuse uncommitted changes.
        command: what the user typed, for errors.
        besides: a file in the folder that is no part of it.
    """
    from slipway_host import selection, targets

    checkout = await open_checkout(
        inputs.source, inputs.config_path, clean=clean, next_command=command, besides=besides
    )
    config = checkout.config
    config.environment(inputs.environment)
    names = selection.select(config, services or [])
    if changed_since:
        paths = await checkout.changed_since(changed_since)
        names = selection.changed(config, names, paths, config_path=inputs.config_path)
    jwt = await reveal_optional(inputs.jwt_secret, "JWT_SECRET")
    trivy = Trivy(checkout)
    wanted = {key for name in names for key in config.services[name].secrets.given}
    brought = await app_secrets(inputs.app_secrets, wanted)
    works = [
        Work(
            inputs=inputs,
            checkout=checkout,
            name=name,
            service=config.services[name],
            environment=config.environment(inputs.environment, name),
            target=targets.target_of(
                config,
                name,
                environment=inputs.environment,
                commit=checkout.commit,
                jwt_secret=jwt,
                app_secrets=brought,
            ),
            scanner=trivy,
        )
        for name in names
    ]
    return checkout, works
