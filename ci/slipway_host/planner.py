"""What a deploy of one commit would do now, found out by the code that does it, without a side effect."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from slipway_host import (
    database,
    gitops,
    gitops_preview,
    load,
    migration,
    namespaces,
    plan_text,
    pull_secret,
    secrets,
    smoke,
    sync_preview,
)
from slipway_host.errors import AccessDeniedError, DeadlineError, TerminalError
from slipway_host.gitops_preview import UNKNOWN, UNKNOWN_JOB
from slipway_host.plan import VERSION, DatabasePlan, Plan, Refusal, SecretsPlan, ServicePlan, config_digest
from slipway_host.run import instant
from slipway_host.together import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pydantic import SecretStr

    from slipway_host.application import Application
    from slipway_host.config import Config
    from slipway_host.errors import DeliveryError
    from slipway_host.gitops_preview import GitOpsPreview
    from slipway_host.passage import Passage
    from slipway_host.plan import ImagePlan, MigrationPlan, SyncPlan

T = TypeVar("T")


@dataclass(kw_only=True)
class Wish:
    """The deploy that a plan is about.

    Args:
        config: `slipway.yaml`.
        environment: where to.
        commit: full hash of the services' commit.
        source_url: their repository, or "".
        ancestors: full hashes of older commits of it; None where they are not known.
        images: by service, what is to be done about its image.
        gates: by service, what has to let it pass, for people.
        run_id: of the run that plans.
    """

    config: Config
    environment: str
    commit: str
    source_url: str
    ancestors: frozenset[str] | None
    images: Mapping[str, ImagePlan]
    gates: Mapping[str, tuple[str, ...]]
    run_id: str


async def plan(passages: Sequence[Passage], wish: Wish) -> Plan:
    """Return the plan for some services; nothing anywhere is changed by it.

    What would stop the deploy is part of the plan. What only keeps this account from looking is an error:
    a plan with holes would be none.

    Args:
        passages: the services, at least one.
        wish: the rest of what a deploy knows.

    Raises:
        AccessDeniedError: this account may not look at something.
        TransientError: a server does not answer.
    """
    looks = [_Look(passage, wish) for passage in passages]
    await together(*(one.begin for one in looks))
    settings = passages[0].accounts.git
    changes = [
        passage.delivery.change(
            digest=wish.images[passage.name].digest or UNKNOWN,
            source_url=wish.source_url,
            ancestors=wish.ancestors,
            migration=(one.migration.job or UNKNOWN_JOB) if one.migration else "",
        )
        for passage, one in zip(passages, looks, strict=True)
    ]
    apps = {one.target.app: one.app for one in looks if one.app}
    branch = await gitops_preview.preview(settings, changes, apps=apps)
    await together(*(partial(one.end, branch) for one in looks))
    services = tuple(one.document(branch) for one in looks)
    return Plan(
        plan_version=VERSION,
        run=wish.run_id,
        planned_at=instant(),
        environment=wish.environment,
        commit=wish.commit,
        repository=wish.config.gitops.repository,
        branch=settings.branch,
        head=branch.head,
        config=config_digest(wish.config, wish.environment, [passage.name for passage in passages]),
        services=services,
        commits=branch.commits,
        receipts=settings.receipts,
        summary=plan_text.sentence(services, branch.commits),
    )


@dataclass
class _Look:
    """One service: what each stage says that it would do."""

    passage: Passage
    wish: Wish
    app: Application | None = None
    secrets: SecretsPlan | None = None
    database: DatabasePlan | None = None
    migration: MigrationPlan | None = None
    sync: SyncPlan | None = None
    gates: tuple[str, ...] = ()
    refused: list[Refusal] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.delivery, self.accounts = self.passage.delivery, self.passage.accounts
        self.target = self.delivery.target
        self.image = self.wish.images[self.passage.name]

    async def begin(self) -> None:
        """Look at all but the branch and what follows from it."""
        await together(self._preflight, self._furnish, self._migration, self._application)

    async def end(self, branch: GitOpsPreview) -> None:
        """Look at what Argo CD makes of the branch."""
        if error := branch.refused.get(self.target.app):
            self._refuse("gitops", error)
        if self.app is None:
            return
        commit = next((one for one in branch.commits if self.target.app in one.apps), None)
        proposes = self.accounts.git.pull_request
        arrives = commit is not None and (proposes is None or proposes.wait)
        found = await self._asked("sync", partial(self._sync, self.app, branch.head, commits=arrives))
        if found:
            self.sync, facts = found
            self.facts |= facts
        await self._asks()

    def document(self, branch: GitOpsPreview) -> ServicePlan:
        """Return the service's part of the plan."""
        address = self.image.reference
        image = {f"image {address}": self.image.digest or "absent"}
        return ServicePlan(
            service=self.passage.name,
            app=self.target.app,
            namespace=self.target.namespace,
            values=self.target.values,
            values_before=branch.before.get(self.target.app, ""),
            gates=(*self.wish.gates.get(self.passage.name, ()), *self.gates),
            image=self.image,
            secrets=self.secrets,
            database=self.database,
            migration=self.migration,
            sync=self.sync,
            refused=tuple(self.refused),
            facts={**image, **branch.facts.get(self.target.app, {}), **self.facts},
        )

    async def _asked(self, stage: str, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return what a look has found, None where it found what stops a deploy."""
        try:
            return await call()
        except (AccessDeniedError, DeadlineError) as error:
            raise error.at(stage) from error
        except TerminalError as error:
            self._refuse(stage, error)
            return None

    def _refuse(self, stage: str, error: DeliveryError) -> None:
        # Preflight looks at much of what the stages look at: one reason is told once, by whom it is of.
        if any(error.cause in one.cause for one in self.refused):
            return
        self.refused = [one for one in self.refused if one.cause not in error.cause]
        self.refused.append(Refusal(stage=error.stage or stage, cause=error.cause, next=error.next_command))

    async def _preflight(self) -> None:
        accounts = self.accounts
        await self._asked(
            "preflight", partial(self.delivery.preflight, accounts.git, accounts.postgres, proposes=False)
        )

    async def _application(self) -> None:
        self.app = await self._asked("preflight", partial(self.delivery.applications.read, self.target))

    async def _furnish(self) -> None:
        found = await self._asked("secrets", self._secrets)
        if found is None:
            return
        self.secrets, facts, password = found
        self.facts |= facts
        if self.target.database is not None:
            await self._asked("database", partial(self._database, password))

    async def _secrets(self) -> tuple[SecretsPlan, dict[str, str], SecretStr | None]:
        target, kube, postgres = self.target, self.delivery.kube, self.accounts.postgres
        name = target.secrets.pull_secret
        absent = await namespaces.absent(kube, target.namespace)
        action = await pull_secret.preview(kube, target.namespace, name, self.accounts.registry)
        decision = await secrets.preview(
            kube,
            target,
            postgres,
            role_exists=partial(self.delivery.role_exists, postgres),
            accepts=partial(self.delivery.accepts, postgres),
        )
        configured = bool(decision.has or decision.missing)
        pulls = {"create": "absent", "change": "has another account", "keep": "has the account"}
        facts = {
            f"namespace {target.namespace}": "absent" if absent else "there",
            f"pull secret {name} in {target.namespace}": pulls[action],
        }
        if configured:
            there = f"has {', '.join(decision.has) or 'no key of the service'}"
            where = f"Secret {target.secrets.name} in {target.namespace}"
            facts[where] = "absent" if decision.found is None else there
        planned = SecretsPlan(
            namespace=absent,
            secret=target.secrets.name if configured else "",
            create=decision.creates,
            add=decision.missing,
            differs=decision.differs,
            password=decision.origin,
            pull_secret=name,
            pull_action=action,
        )
        return planned, facts, decision.password

    async def _database(self, password: SecretStr | None) -> None:
        assert self.target.database is not None  # noqa: S101 - who calls has looked
        name, sql = self.target.database.name, await self.delivery.sql(self.accounts.postgres)
        found = await database.preview(sql, self.target.database, password)
        lacks = "; ".join(one for statements in found.values() for one in statements)
        self.facts[f"database {name}"] = f"lacks {lacks}" if lacks else "complete"
        statements = {key: tuple(value) for key, value in found.items()}
        self.database = DatabasePlan(name=name, statements=statements)

    async def _migration(self) -> None:
        settings = self.target.migration
        if settings is None:
            return
        look = partial(migration.preview, self.delivery.kube, self.target, settings, digest=self.image.digest)
        self.migration = await self._asked("migrate", look)
        if self.migration and self.migration.job:
            self.facts[f"migration Job {self.migration.job}"] = self.migration.state

    async def _asks(self) -> None:
        """Say which Jobs will ask the new pods: what has asked this revision already runs no more."""
        target, acts, gates = self.target, self.sync is None or self.sync.acts, []
        kube, digest = self.delivery.kube, self.image.digest
        if tested := target.smoke:
            look = partial(smoke.passed, kube, target, tested, digest=digest)
            if acts or not await self._asked("smoke", look):
                command = " ".join(tested.command)
                gates.append(f"smoke: `{command}` has to pass, as a Job that asks the new pods")
        if checked := target.load:
            look = partial(load.measured, kube, target, checked, digest=digest)
            if acts or not await self._asked("load", look):
                gates.append(f"load: {checked.asked}")
        self.gates = tuple(gates)

    async def _sync(self, app: Application, head: str, *, commits: bool) -> tuple[SyncPlan, dict[str, str]]:
        return await sync_preview.preview(
            self.delivery.kube,
            self.delivery.applications,
            self.target,
            app,
            head=head,
            commits=commits,
            contains=partial(gitops.contains, self.accounts.git, head),
            report=self.delivery.report,
        )
