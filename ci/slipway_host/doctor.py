"""What a run needs of the world around it: rights and reachability, looked at without changing anything.

Each look goes the way that the run itself goes, by the same clients; none of them leaves anything behind.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from slipway_host import (
    argocd_checks,
    argocd_server_checks,
    database_state,
    git,
    rights,
    secrets,
)
from slipway_host.branch_checks import BranchChecks
from slipway_host.caller import command
from slipway_host.checks import Check, CheckStatus, Finding, skipped
from slipway_host.delivery import connect_sql
from slipway_host.errors import AccessDeniedError, quote
from slipway_host.postgres import FIXED_DATABASE
from slipway_host.registry import RegistryClient
from slipway_host.together import Once

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from slipway_host.applications import Applications
    from slipway_host.applications_server import ServerApplications
    from slipway_host.kube import KubeClient
    from slipway_host.postgres import SqlRunner
    from slipway_host.settings import (
        GitSettings,
        PostgresSettings,
        PullRequestSettings,
        RegistrySettings,
        Target,
    )

OLDEST_KUBERNETES, TESTED_KUBERNETES = (1, 28), (1, 34)
"""The oldest that is expected to work, and the one that every test runs on."""
OLDEST_POSTGRESQL = 15
"""The oldest that is tested; older ones have no reason to fail, and nobody has seen them work."""
CLUSTER = "kubernetes"
REPOSITORY = "git"
SERVER = "postgresql"
ARGOCD = "argocd server"
SQL_S = 10.0


@dataclass(kw_only=True)
class World:
    """What the checks ask, opened when the first of them needs it.

    Args:
        targets: the services.
        kube: connects to the cluster.
        applications: the way to Argo CD's Applications, by the cluster.
        server: Argo CD's own API, where that is the way.
        registry: the account there.
        repository: the GitOps repository and its account.
        postgres: the PostgreSQL server.
        api: the GitOps server's API, where it is known: it tells the rules for a branch.
        in_cluster: whether the way to PostgreSQL leads through the cluster.
        protocols: transports that git may use.
    """

    targets: Sequence[Target]
    kube: Callable[[], Awaitable[KubeClient]]
    applications: Callable[[KubeClient], Applications]
    registry: Callable[[], Awaitable[RegistrySettings]]
    repository: Callable[[], Awaitable[GitSettings]]
    postgres: Callable[[], Awaitable[PostgresSettings]]
    server: ServerApplications | None = None
    api: PullRequestSettings | None = None
    in_cluster: bool = True
    protocols: tuple[str, ...] = git.SAFE_PROTOCOLS

    def checks(self) -> list[Check]:
        """Return the checks of everything that all or one of the services need."""
        found = [
            Check(name=CLUSTER, look=self._cluster),
            Check(name=REPOSITORY, look=self._branches.repository),
        ]
        found.append(Check(name="git push", look=self._branches.push, needs=(REPOSITORY,)))
        found.append(Check(name="receipts", look=self._branches.receipts, needs=(REPOSITORY,)))
        if any(target.database for target in self.targets):
            needs = (CLUSTER,) if self.in_cluster else ()
            found.append(Check(name=SERVER, look=self._server, needs=needs))
        if self.server:
            found.append(Check(name=ARGOCD, look=partial(argocd_server_checks.account, self.server)))
        found.append(Check(name="argocd controller", look=self._controller, needs=(CLUSTER,)))
        for target in self.targets:
            found += self._of(target)
        return found

    def _of(self, target: Target) -> list[Check]:
        def check(name: str, look: Callable[[Target], Awaitable[Finding]], *needs: str) -> Check:
            return Check(name=f"{name}: {target.service}", look=partial(look, target), needs=needs)

        found = [
            check("registry pull", self._pull),
            check("registry push", self._registry_push),
            check("values", self._branches.values, REPOSITORY),
            check("rights", self._rights, CLUSTER),
            check("namespace", self._namespace, CLUSTER),
            check("secret", self._secret, CLUSTER),
            check("argocd", self._application, CLUSTER, REPOSITORY),
            check("sync windows", self._windows, CLUSTER),
        ]
        if self.server:
            granted = partial(argocd_server_checks.granted, self.server)
            found.append(check("argocd rights", granted, ARGOCD))
        if target.database:
            found.append(check("database", self._database, SERVER))
        return found

    def __post_init__(self) -> None:
        """Make what is opened once, for all checks that need it."""
        self._kube = Once(self.kube)
        self._branches = BranchChecks(
            [target.values for target in self.targets], self.repository, self.api, self.protocols
        )
        self._sql = Once(self._connect)

    # --- registry -------------------------------------------------------------------------------

    async def _pull(self, target: Target) -> Finding:
        settings = await self.registry()
        async with RegistryClient(settings) as client:
            image = await client.find(_path(target, settings), target.tag)
        there = f"has this commit's image, {target.tag}" if image else f"answers; {target.tag} is not pushed"
        return Finding(found=f"{settings.host} {there}")

    async def _registry_push(self, target: Target) -> Finding:
        settings = await self.registry()
        async with RegistryClient(settings) as client:
            await client.try_push(_path(target, settings))
        return Finding(found=f"{settings.username} may push to {target.repository}")

    # --- cluster --------------------------------------------------------------------------------

    async def _cluster(self) -> Finding:
        said = await (await self._kube()).get("/version")
        version = str(said.get("gitVersion", "of no version"))
        number = re.match(r"v?(\d+)\.(\d+)", version)
        if number and (int(number[1]), int(number[2])) < OLDEST_KUBERNETES:
            oldest, tested = (".".join(map(str, one)) for one in (OLDEST_KUBERNETES, TESTED_KUBERNETES))
            return Finding(
                status=CheckStatus.WARNING,
                found=f"Kubernetes {version}: older than {oldest}; Slipway is tested with {tested}",
            )
        return Finding(found=f"Kubernetes {version}")

    async def _rights(self, target: Target) -> Finding:
        kube, postgres = await self._kube(), await self.postgres()
        # A namespace that this account may not see counts as absent: then it needs the right to see it first.
        absent = await self._absent(target)
        asked = rights.rights(target, postgres, create_namespace=absent)
        missing = await rights.denied(kube, asked)
        if not missing:
            return Finding(found=f"all {len(asked)} rights are granted")
        named = "; ".join(f"{right} ({right.use})" for right in missing)
        return Finding(
            status=CheckStatus.FAILED,
            found=f"{len(missing)} of {len(asked)} rights are missing: {quote(named)}",
            fix=f"{command('rbac')} | kubectl apply -f -, and use the account that it makes",
        )

    async def _absent(self, target: Target) -> bool:
        try:
            return await (await self._kube()).find(f"/api/v1/namespaces/{target.namespace}") is None
        except AccessDeniedError:
            return False

    async def _namespace(self, target: Target) -> Finding:
        name = target.namespace
        found = await (await self._kube()).find(f"/api/v1/namespaces/{name}")
        if found is None:
            return Finding(found=f"{name} is not there yet; the first deploy makes it")
        if found.get("status", {}).get("phase") == "Terminating":
            return Finding(
                status=CheckStatus.FAILED,
                found=f"{name} is being deleted (Terminating)",
                fix=f"kubectl wait --for=delete namespace/{name} --timeout=5m",
            )
        return Finding(found=f"{name} is there")

    async def _secret(self, target: Target) -> Finding:
        said = await secrets.check_app_secret(await self._kube(), target, await self.postgres())
        return Finding(found=said)

    async def _application(self, target: Target) -> Finding:
        app = await (await self._applications()).read(target)
        branch = await self._branches.look()
        return argocd_checks.application(app, target, branch.settings, head=branch.head)

    async def _windows(self, target: Target) -> Finding:
        applications = await self._applications()
        app = await applications.read(target)
        try:
            found = await applications.windows(app)
        except AccessDeniedError:
            # No stage reads it: nobody has to be granted that.
            grant = f"{command('rbac', '--sync-windows')} | kubectl apply -f -"
            return skipped(f"optional: this account may not read project {app.project}; {grant} grants that")
        if found is None:
            return skipped(f"there is no project {app.project}")
        return argocd_checks.windows(app, found)

    async def _controller(self) -> Finding:
        applications = await self._applications()
        found = [await applications.find(target.argocd_namespace, target.app) for target in self.targets]
        there = [app for app in found if app is not None]
        return argocd_checks.controller(there) if there else skipped("no service has an Application")

    async def _applications(self) -> Applications:
        return self.applications(await self._kube())

    # --- PostgreSQL -----------------------------------------------------------------------------

    async def _connect(self) -> SqlRunner:
        settings = await self.postgres()
        if settings.dsn is not None:
            return await connect_sql(None, settings, deadline_s=SQL_S)
        return await connect_sql(await self._kube(), settings, deadline_s=SQL_S)

    async def _server(self) -> Finding:
        sql = await self._sql()
        query = (
            "SELECT json_build_object('version', current_setting('server_version'), 'role', rolname, "
            "'may', rolsuper OR (rolcreaterole AND rolcreatedb)) FROM pg_roles WHERE rolname = current_user"
        )
        said = json.loads(await sql.value(query, database=FIXED_DATABASE))
        what = f"PostgreSQL {said['version']}, as {said['role']}"
        if not said["may"]:
            return Finding(
                status=CheckStatus.FAILED,
                found=f"{what}, who may not create roles and databases",
                fix=f"psql -c 'ALTER ROLE \"{said['role']}\" CREATEROLE CREATEDB'",
            )
        if int(said["version"].partition(".")[0]) < OLDEST_POSTGRESQL:
            return Finding(status=CheckStatus.WARNING, found=f"{what}; tested from {OLDEST_POSTGRESQL} on")
        return Finding(found=f"{what}, who may create roles and databases")

    async def _database(self, target: Target) -> Finding:
        settings = target.database
        if settings is None:
            return skipped("no database is configured")
        seen = await database_state.look(await self._sql(), settings)
        database_state.refuse(seen, settings)
        there = "is there" if seen.done(settings) else "is not complete yet; the next deploy makes it"
        return Finding(found=f"database {settings.name} of role {settings.role} {there}")


def _path(target: Target, settings: RegistrySettings) -> str:
    return target.repository.removeprefix(f"{settings.host}/")
