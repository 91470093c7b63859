"""The stages after the push, for one service: from the cluster's Secrets to the proof.

One class for every caller: `dagger call deploy` runs all of it, `dagger call gitops` one method.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from slipway_host import (
    argocd,
    connection,
    cost,
    database,
    database_state,
    gitops,
    health,
    load,
    migration,
    namespaces,
    pods,
    postgres_dsn,
    postgres_pods,
    preflight,
    proof,
    pull_secret,
    rollout,
    rotation,
    secrets,
    smoke,
    suspension,
)
from slipway_host.allowance import Allowed
from slipway_host.image_change import ImageChange
from slipway_host.results import StageResult, Status
from slipway_host.settings import Deadlines
from slipway_host.workload import read_workload

if TYPE_CHECKING:
    from pydantic import SecretStr

    from slipway_host.applications import Applications
    from slipway_host.kube import KubeClient
    from slipway_host.postgres import SqlRunner
    from slipway_host.progress import Report
    from slipway_host.revision_job import Revision
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings, Target

MANAGED_NAMESPACE = {"app.kubernetes.io/part-of": "slipway"}


async def connect_sql(kube: KubeClient | None, settings: PostgresSettings, *, deadline_s: float) -> SqlRunner:
    """Return the way to the PostgreSQL server that the settings name, as its administrator.

    Without a connection string, it leads through the cluster.
    """
    if settings.dsn is not None:
        return await postgres_dsn.connect(settings.dsn, ca=settings.ca, deadline_s=deadline_s)
    assert kube is not None  # noqa: S101 - who gives no connection string gives a cluster
    return await postgres_pods.connect(kube, settings, deadline_s=deadline_s)


@dataclass(kw_only=True)
class Delivery:
    """One service on its way into a cluster.

    Args:
        target: the service, its environment and its commit.
        kube: the cluster.
        applications: Argo CD's.
        run_id: written to what the run makes.
        report: takes one line for people, live.
        deadlines: how long each wait may take.
        allowed: what a saved plan lets it do; by default, whatever is lacking.
    """

    target: Target
    kube: KubeClient
    applications: Applications
    run_id: str
    report: Report
    deadlines: Deadlines = field(default_factory=Deadlines)
    allowed: Allowed = field(default_factory=Allowed)

    async def preflight(
        self, git_settings: GitSettings, postgres_settings: PostgresSettings, *, proposes: bool = True
    ) -> StageResult:
        """Look at everything that later stages need, before anything is changed (`preflight.preflight`)."""
        server = partial(self.sql, postgres_settings)
        return await preflight.preflight(
            self.kube,
            self.applications,
            self.target,
            git_settings,
            postgres_settings,
            server=server,
            proposes=proposes,
        )

    async def secrets(
        self,
        registry: RegistrySettings,
        postgres_settings: PostgresSettings,
        *,
        reset: bool = False,
    ) -> tuple[StageResult, SecretStr | None]:
        """Make namespace, pull secret and the service's Secret complete; return its database password.

        `reset` says that the role's password will be set: then it is nothing to lose (fault 39).
        """
        target = self.target
        # What cannot work is refused before the namespace is made.
        await secrets.check_app_secret(self.kube, target, postgres_settings)
        made = await namespaces.ensure_namespace(
            self.kube, target.namespace, labels=MANAGED_NAMESPACE, allowed=self.allowed.namespace
        )
        pull = await pull_secret.ensure_pull_secret(
            self.kube,
            target.namespace,
            target.secrets.pull_secret,
            registry,
            allowed=self.allowed.pull_secret,
        )
        result, password = await secrets.ensure_app_secret(
            self.kube,
            target,
            postgres_settings,
            role_exists=partial(self.role_exists, postgres_settings, reset=reset),
            accepts=partial(self.accepts, postgres_settings),
            allowed=self.allowed.secret_keys,
        )
        acted = made or Status.SUCCEEDED in {pull, result.status}
        words = [f"namespace {target.namespace}: created"] if made else []
        words.append(result.summary)
        pulled = "written" if pull is Status.SUCCEEDED else "in place"
        words.append(f"pull secret {target.secrets.pull_secret}: {pulled}")
        return (
            StageResult(
                stage="secrets",
                status=Status.SUCCEEDED if acted else Status.SKIPPED,
                summary="; ".join(words),
                outputs={**result.outputs, "namespaceCreated": made, "pullSecret": str(pull)},
            ),
            password,
        )

    async def role_exists(self, settings: PostgresSettings, *, reset: bool = False) -> bool:
        """Return whether the server has the database's role; with `reset`, it counts as none."""
        if self.target.database is None or reset:
            return False
        return await database_state.role_exists(await self.sql(settings), self.target.database.role)

    async def accepts(self, settings: PostgresSettings, password: SecretStr) -> bool:
        """Return whether this is the password of the database's role."""
        if self.target.database is None:
            return False
        return await (await self.sql(settings)).accepts(self.target.database.role, password)

    async def database(
        self, postgres_settings: PostgresSettings, password: SecretStr | None, *, reset: bool = False
    ) -> StageResult:
        """Make the service's role and database, with the password of its Secret; `reset` sets it anew."""
        if self.target.database is None or password is None:
            return StageResult(stage="database", status=Status.SKIPPED, summary="no database is configured")
        sql = await self.sql(postgres_settings)
        return await database.ensure_database(
            sql,
            self.target.database,
            password,
            report=self.report,
            deadline_s=self.deadlines.database_s,
            reset=reset,
            allowed=self.allowed.statements,
        )

    async def rotate(self, plan: rotation.Rotation, postgres_settings: PostgresSettings) -> StageResult:
        """Give keys of the Secret new values, and replace the pods that read it."""
        sql = await self.sql(postgres_settings) if connection.URL in plan.keys else None
        return await rotation.rotate(
            self.kube,
            plan,
            postgres_settings,
            sql=sql,
            report=self.report,
            deadline_s=self.target.rollout_s,
        )

    async def migrate(self, digest: str) -> StageResult:
        """Run the service's migration Job to its end."""
        return await migration.migrate(
            self.kube, self.target, digest=digest, report=self.report, allowed=self.allowed.migration
        )

    def change(
        self, *, digest: str, source_url: str, ancestors: frozenset[str] | None, migration: str = ""
    ) -> ImageChange:
        """Return what the GitOps repository has to say of this service."""
        target = self.target
        return ImageChange(
            app=target.app,
            path=target.values,
            tag=target.tag,
            digest=digest,
            write_digest=target.write_digest,
            source_commit=target.commit,
            source_url=source_url or None,
            ancestors=ancestors,
            migration=migration,
            service=target.service,
            before=self.allowed.values,
        )

    async def sync(
        self, settings: GitSettings, commit: str, *, terminate: bool = False, unchanged: bool = False
    ) -> StageResult:
        """Have Argo CD apply the commit, and wait until it has; as `argocd.sync`."""
        app = await self.applications.read(self.target)
        suspension.refuse(app, service=self.target.service)
        return await argocd.sync(
            self.applications,
            self.target,
            commit=commit,
            contains=partial(gitops.contains, settings, commit),
            run_id=self.run_id,
            report=self.report,
            deadline_s=self.deadlines.sync_s,
            terminate=terminate,
            unchanged=unchanged,
        )

    async def rollout(self, digest: str) -> StageResult:
        """Wait until every pod is a new one and available."""
        result = await rollout.wait_rollout(
            self.kube,
            self.target,
            digest=digest,
            report=self.report,
            deadline_s=self.target.rollout_s,
        )
        return await cost.noted(self.kube, self.target, result)

    async def health(self, digest: str, manifests: frozenset[str]) -> StageResult:
        """Ask each new pod for its health; `manifests` are those in an index."""
        return await health.check_health(
            self.kube,
            self.target,
            digest=digest,
            manifests=manifests,
            report=self.report,
            deadline_s=self.deadlines.health_s,
        )

    async def smoke(self, revision: Revision, *, again: bool = False) -> StageResult:
        """Run the service's smoke test against its new pods; `again` also where they have passed it."""
        return await smoke.smoke(
            self.kube, self.target, revision, run_id=self.run_id, report=self.report, again=again
        )

    async def load(self, revision: Revision, *, again: bool = False) -> StageResult:
        """Run the service's load check against its new pods; `again` also where it has been measured."""
        return await load.load(
            self.kube, self.target, revision, run_id=self.run_id, report=self.report, again=again
        )

    async def proof(
        self, settings: GitSettings, *, commit: str, digest: str, manifests: frozenset[str]
    ) -> StageResult:
        """Prove that the commit is synced and that every pod runs the digest (R15)."""
        return await proof.prove(
            self.kube,
            self.applications,
            self.target,
            commit=commit,
            digest=digest,
            manifests=manifests,
            contains=partial(gitops.contains, settings, commit),
            report=self.report,
            deadline_s=self.deadlines.health_s,
        )

    async def running_digest(self) -> str:
        """Return the digest of the service's image that a ready pod runs; empty where none does."""
        workload = await read_workload(self.kube, self.target)
        ready = [pod for pod in workload.pods if pods.ready(pod)] if workload else []
        found = [proof.image_id(pod, self.target).partition("@")[2] for pod in ready]
        return next(filter(None, found), "")

    async def sql(self, settings: PostgresSettings) -> SqlRunner:
        """Return the way to the PostgreSQL server, as its administrator."""
        return await connect_sql(self.kube, settings, deadline_s=self.deadlines.database_s)
