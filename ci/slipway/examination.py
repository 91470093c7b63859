"""All checks of one call: the configuration, the engine, and the world that the configuration names."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from slipway import engine_checks
from slipway.checkout import Checkout
from slipway.inputs import Stage
from slipway.work import cluster, open_works
from slipway_host import targets
from slipway_host.checks import Check, CheckStatus, Finding, Result, examine
from slipway_host.doctor import World
from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient

LISTED = 5


async def examination(inputs: Stage, services: list[str] | None) -> list[Result]:
    """Return what every check found; where the configuration is wrong, it is the only one."""
    command = "dagger call doctor"
    try:
        checkout, works = await open_works(inputs, services, "", clean=False, command=command)
    except SettingsError as error:
        failed = CheckStatus.FAILED
        return [Result(name="configuration", status=failed, found=error.cause, fix=error.next_command)]

    async def configuration() -> Finding:
        names = ", ".join(work.name for work in works)
        return Finding(found=f"{inputs.config_path} is valid; environment {inputs.environment}: {names}")

    async def source() -> Finding:
        return _source(checkout)

    async with AsyncExitStack() as stack:

        async def kube() -> "KubeClient":
            return await stack.enter_async_context(cluster(inputs))

        first, given = works[0], (inputs.cosign_key, inputs.cosign_public_key, inputs.cosign_identity_token)
        signs = first.environment.require_signature or any(secret is not None for secret in given)
        world = World(
            targets=[work.target for work in works],
            kube=kube,
            registry=first.registry,
            repository=first.git,
            postgres=first.postgres,
            api=targets.server_api(checkout.config, inputs.environment),
            in_cluster=inputs.postgres_dsn is None,
        )
        return await examine(
            [
                Check(name="configuration", look=configuration),
                Check(name="source", look=source),
                *engine_checks.checks(checkout, signs=signs),
                *world.checks(),
            ]
        )


def _source(checkout: Checkout) -> Finding:
    if not checkout.changes:
        return Finding(found=f"commit {checkout.tag}, nothing uncommitted")
    listed = ", ".join(checkout.changes[:LISTED]) + (" …" if len(checkout.changes) > LISTED else "")
    return Finding(
        status=CheckStatus.FAILED,
        found=f"{len(checkout.changes)} uncommitted change(s), which no tag may stand for: {listed}",
        fix="git commit, or git stash",
    )
