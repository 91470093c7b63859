"""One call of a function that builds nothing: its services, and what they may use.

`dagger call` and `slipway-host` each make one of these, from their own kinds of secrets, and hand it to the
same functions (`inspection`, `intervention`, `retreat`).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from slipway_host import argocd_access, caller, recording, targets
from slipway_host.delivery import Delivery
from slipway_host.doctor import World
from slipway_host.passage import Accounts
from slipway_host.run import Run, new_run_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from pydantic import SecretStr

    from slipway_host.applications import Applications
    from slipway_host.applications_server import ServerApplications
    from slipway_host.config import Config
    from slipway_host.kube import KubeClient
    from slipway_host.passage import Passage, Way
    from slipway_host.recipients import Recipients
    from slipway_host.record import Log
    from slipway_host.recording import Recording
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings, Target
    from slipway_host.source_log import Commits


async def _nowhere(_kept: Recording, _passages: Sequence[Passage]) -> None:
    """Keep no files."""


@dataclass(frozen=True)
class Record:
    """What was done to one service, by its key in `slipway.yaml`."""

    name: str
    run: Run


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a function starts from.

    Args:
        config: of the services' repository.
        environment: the chosen one.
        targets: the chosen services.
        registry: gives the account at the registry, and says only then that it is not given; so do the next.
        git: gives the GitOps repository and the account that writes to it.
        postgres: gives the PostgreSQL server.
        argocd_token: gives the token for Argo CD's own API.
        recipients: gives who is told how a run went.
        connect: connects to the cluster.
        report: takes one line for people, live, and remembers it.
        by: who calls.
        commits: the services' repository, to ask when its commits were made; None where nobody can.
        source_url: address of the services' repository, or "".
        dsn: PostgreSQL is reached by a connection string, and not through the cluster.
        run_id: written to what the call makes.
        files: puts what stays of a run where this caller keeps it.
        ways: what has landed so far, for whoever interrupts the call.
    """

    config: Config
    environment: str
    targets: tuple[Target, ...]
    registry: Callable[[], Awaitable[RegistrySettings]]
    git: Callable[[], Awaitable[GitSettings]]
    postgres: Callable[[], Awaitable[PostgresSettings]]
    argocd_token: Callable[[], Awaitable[SecretStr]]
    recipients: Callable[[], Awaitable[Recipients]]
    connect: Callable[[], AbstractAsyncContextManager[KubeClient]]
    report: Log
    by: str
    commits: Commits | None = None
    source_url: str = ""
    dsn: bool = False
    run_id: str = field(default_factory=new_run_id)
    files: Callable[[Recording, Sequence[Passage]], Awaitable[None]] = _nowhere
    ways: list[Way | Record] = field(default_factory=list)

    async def accounts(self) -> Accounts:
        """Return every account that a deploy needs.

        Raises:
            SettingsError: one is not given, or cannot be used.
        """
        return Accounts(registry=await self.registry(), git=await self.git(), postgres=await self.postgres())

    async def keep(self, document: Mapping[str, Any], passages: Sequence[Passage]) -> dict[str, Any]:
        """Keep what stays of a run: its receipt in the GitOps repository, and its files.

        Args:
            document: the receipt.
            passages: the services; none where the run ended before it came to them.

        Returns:
            The receipt without any known secret.
        """
        kept = await recording.keep(document, passages, self.report)
        await self.files(kept, passages)
        return kept.document

    def delivery(self, target: Target, kube: KubeClient) -> Delivery:
        """Return the stages of a service."""
        return Delivery(
            target=target,
            kube=kube,
            applications=self.applications(kube),
            run_id=self.run_id,
            report=self.report,
        )

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[KubeClient]:
        """Give the cluster; in the end the connections to Argo CD's own API are closed as well."""
        async with self.connect() as kube:
            try:
                yield kube
            finally:
                await self.leave()

    @cached_property
    def argocd(self) -> ServerApplications | None:
        """Argo CD's own API, None where the Kubernetes API is the way to Applications."""
        return argocd_access.server(self.config.argocd, self.argocd_token)

    async def leave(self) -> None:
        """Close the connections to Argo CD's own API: for who asks it outside of `cluster`."""
        if self.argocd:
            await self.argocd.close()

    def applications(self, kube: KubeClient) -> Applications:
        """Return the configured way to Argo CD's Applications, the same for all services of the call."""
        return argocd_access.applications(self.argocd, kube)

    def record(self, function: str, target: Target) -> Run:
        """Return what keeps record of what a function does to a service."""
        again = caller.command(function, f"--service={target.service}")
        run = Run(service=target.service, report=self.report, next_command=again)
        self.ways.append(Record(target.service, run))
        return run

    def world(self, kube: Callable[[], Awaitable[KubeClient]]) -> World:
        """Return what `doctor` looks at."""
        return World(
            targets=self.targets,
            kube=kube,
            applications=self.applications,
            server=self.argocd,
            registry=self.registry,
            repository=self.git,
            postgres=self.postgres,
            api=targets.server_api(self.config, self.environment),
            in_cluster=not self.dsn,
        )
