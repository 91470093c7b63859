"""What one `slipway-host` command does: the stages of `Delivery`, in the order of `Passage`."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from slipway_host import (
    checks,
    doctor,
    effective,
    git,
    kube_files,
    overview,
    passage,
    receipt,
    recording,
    selection,
    targets,
)
from slipway_host.accounts import (
    all_accounts,
    git_account,
    later,
    postgres_account,
    registry_account,
    teller_of,
)
from slipway_host.command import WITH_IMAGES
from slipway_host.delivery import Delivery
from slipway_host.document import parse
from slipway_host.errors import DeliveryError, SettingsError
from slipway_host.intake import Intake, images_for
from slipway_host.loader import load_config
from slipway_host.notifications import Notice, told
from slipway_host.passage import Passage, Way
from slipway_host.record import Log
from slipway_host.run import new_run_id
from slipway_host.together import together

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from slipway_host.config import Config
    from slipway_host.environ import Environ
    from slipway_host.handover import Handover
    from slipway_host.kube import KubeClient
    from slipway_host.passage import Accounts
    from slipway_host.progress import Report
    from slipway_host.remote_image import RemoteImage
    from slipway_host.settings import Target

W = TypeVar("W", bound=Way)


class Job:
    """One command, from its arguments to what it prints.

    `ways` tell at any time what has landed.

    Args:
        options: of `command.parser()`.
        environ: the accounts.
        report: takes one line for people, live.
    """

    def __init__(self, options: argparse.Namespace, environ: Environ, report: Report) -> None:
        self.ways: list[Way] = []
        self.error: DeliveryError | None = None
        self._options, self._environ, self._report = options, environ, Log(report)
        self._path = Path(options.config)
        self._intake = Intake(self._path, options)
        self._command = f"slipway-host {options.command}"
        self._run_id = new_run_id()
        self._began = time.monotonic()

    async def run(self) -> str:
        """Do it, and return what to print.

        `error` is what went wrong after something was done: that is printed as well.

        Raises:
            DeliveryError: it did not work, and there is nothing to print.
        """
        text = await self._intake.config_text()
        config = load_config(text, path=str(self._path))
        names = selection.select(config, self._options.service)
        handover = await self._intake.handover(config)
        environment = self._options.environment or handover.environment or "dev"
        self._refuse_unverified(config, environment)
        match self._options.command:
            case "config":
                document = parse(text, path=str(self._path))
                return effective.lines(effective.effective(document, environment, names))
            case "deploy":
                return await self._deploy(config, text, names, environment, handover)
            case "migrate":
                return await self._migrate(config, text, names, environment, handover)
            case "gitops":
                return await self._gitops(config, text, names, environment, handover)
        commit = await self._intake.source.resolve("HEAD")
        found = self._targets(config, names, environment, commit)
        stage = {
            "secrets": self._secrets,
            "database": self._database,
            "sync": self._sync,
            "status": self._status,
            "doctor": self._doctor,
        }
        return await stage[self._options.command](config, environment, found)

    async def _deploy(
        self, config: Config, text: str, names: list[str], environment: str, handover: Handover
    ) -> str:
        commit = await self._intake.commit(text, handover)
        found = self._targets(config, names, environment, commit)
        url = await self._intake.source.url()
        ways: list[Passage] = []

        def document(**more: str) -> dict[str, Any]:
            facts = passage.release_document(
                ways,
                seconds=time.monotonic() - self._began,
                run=self._run_id,
                environment=environment,
                commit=commit,
                tag=found[0].tag,
                source=url,
            )
            return {**facts, **more}

        notice = Notice(run=self._run_id, environment=environment, commit=commit, source=url, services=names)
        async with told(teller_of(self._environ, config, notice, report=self._report)) as teller:
            try:
                ways += await self._delivered(config, environment, found, handover, url)
            except DeliveryError as error:
                await self._keep(document(error=str(error.at("deploy", next_command=self._command))), ways)
                raise
            teller.document = kept = await self._keep(document(), ways)
        self._gather()
        if self._options.receipt_only:
            return receipt.to_json(kept)
        return f"{receipt.summary(kept)}\n\n{receipt.to_json(kept)}"

    async def _delivered(
        self, config: Config, environment: str, found: list[Target], handover: Handover, url: str
    ) -> list[Passage]:
        accounts = all_accounts(self._environ, config, environment)
        images = await images_for(config, found, accounts.registry, handover)
        commit, names = found[0].commit, ", ".join(target.service for target in found)
        ancestors = await self._intake.source.ancestors(commit)
        self._report(f"commit {commit[:8]} to {environment}: {names}")
        async with self._cluster() as kube:
            ways = self._passages(kube, found, accounts, images)

            async def prepare(one: Passage) -> None:
                await one.check()
                await one.furnish()

            await self._each(ways, prepare)
            passage.hold_back(config, ways)
            await self._each(ways, Passage.migrate)
            passage.hold_back(config, ways)
            await passage.commit_images(ways, source_url=url, ancestors=ancestors)
            await self._each(ways, Passage.arrive)
        return ways

    async def _keep(self, document: dict[str, Any], ways: list[Passage]) -> dict[str, Any]:
        kept = await recording.keep(document, ways, self._report)
        summary = self._environ.text("GITHUB_STEP_SUMMARY")
        recording.write(kept, folder=self._options.output, step_summary=summary, log=self._report)
        return kept.document

    async def _migrate(
        self, config: Config, text: str, names: list[str], environment: str, handover: Handover
    ) -> str:
        commit = await self._intake.commit(text, handover)
        found = self._targets(config, names, environment, commit)
        registry = registry_account(self._environ, config, environment)
        migrating = [target for target in found if target.migration]
        images = await images_for(config, migrating, registry, handover)
        async with self._cluster() as kube:
            ways = self._ways(kube, found)

            async def one(way: Way) -> None:
                digest = images[way.name].digest if way.name in images else ""
                await way.run.stage("migrate", partial(way.delivery.migrate, digest))

            await self._each(ways, one)
        return self._said()

    async def _gitops(
        self, config: Config, text: str, names: list[str], environment: str, handover: Handover
    ) -> str:
        commit = await self._intake.commit(text, handover)
        found = self._targets(config, names, environment, commit)
        accounts = all_accounts(self._environ, config, environment)
        images = await images_for(config, found, accounts.registry, handover)
        url, ancestors = await self._intake.source.url(), await self._intake.source.ancestors(commit)
        async with self._cluster() as kube:
            ways = self._passages(kube, found, accounts, images)
            await passage.commit_images(ways, source_url=url, ancestors=ancestors)
        return self._said()

    async def _secrets(self, config: Config, environment: str, found: list[Target]) -> str:
        async def one(way: Passage) -> None:
            await way.provide_secrets()

        async with self._cluster() as kube:
            ways = self._passages(kube, found, all_accounts(self._environ, config, environment), {})
            await self._each(ways, one)
        return self._said()

    async def _database(self, config: Config, environment: str, found: list[Target]) -> str:
        async with self._cluster() as kube:
            ways = self._passages(kube, found, all_accounts(self._environ, config, environment), {})
            await self._each(ways, Passage.furnish)
        return self._said()

    async def _sync(self, config: Config, environment: str, found: list[Target]) -> str:
        settings = git_account(self._environ, config, environment)
        async with git.clone(settings, content=False) as copy:
            commit = await copy.fetch()
        async with self._cluster() as kube:
            ways = self._ways(kube, found)

            async def one(way: Way) -> None:
                await way.run.stage("sync", partial(way.delivery.sync, settings, commit))

            await self._each(ways, one)
        return self._said()

    async def _status(self, config: Config, environment: str, found: list[Target]) -> str:
        repository = later(git_account, self._environ, config, environment)
        async with self._cluster() as kube:
            said = await overview.overviews(found, kube=kube, repository=repository)
        return overview.screen(said)

    async def _doctor(self, config: Config, environment: str, found: list[Target]) -> str:
        async with AsyncExitStack() as stack:

            async def kube() -> KubeClient:
                return await stack.enter_async_context(self._cluster())

            world = doctor.World(
                targets=found,
                kube=kube,
                registry=later(registry_account, self._environ, config, environment),
                repository=later(git_account, self._environ, config, environment),
                postgres=later(postgres_account, self._environ, config),
                api=targets.server_api(config, environment),
                in_cluster=self._environ.secret("POSTGRES_DSN") is None,
            )
            results = await checks.examine(world.checks())
        self.error = checks.failure(results)
        return checks.table(results)

    @staticmethod
    async def _each(ways: Sequence[W], call: Callable[[W], Awaitable[None]]) -> None:
        await together(*(partial(way.guarded, partial(call, way)) for way in ways))

    def _refuse_unverified(self, config: Config, environment: str) -> None:
        """Refuse an environment that requires a signature, where an image would run.

        A receipt that tells of a verified one proves nothing: anybody can write such a file.
        """
        runs_image = self._options.command in WITH_IMAGES
        if config.environment(environment).require_signature and runs_image:
            raise SettingsError(
                f"{environment} requires a verified signature of each image, and nothing here verifies one: "
                "only `dagger call deploy` has cosign",
                next_command=f"dagger call --environment={environment} deploy",
            )

    def _ways(self, kube: KubeClient, found: list[Target]) -> list[Way]:
        ways = [Way(target.service, self._delivery(kube, target), command=self._command) for target in found]
        self.ways += ways
        return ways

    def _passages(
        self, kube: KubeClient, found: list[Target], accounts: Accounts, images: dict[str, RemoteImage]
    ) -> list[Passage]:
        ways = [
            Passage(
                target.service,
                self._delivery(kube, target),
                accounts,
                command=self._command,
                image=images.get(target.service),
            )
            for target in found
        ]
        self.ways += ways
        return ways

    def _delivery(self, kube: KubeClient, target: Target) -> Delivery:
        return Delivery(target=target, kube=kube, run_id=self._run_id, report=self._report)

    def _gather(self) -> None:
        errors = {way.name: way.run.error for way in self.ways if way.run.error}
        if errors:
            self.error = receipt.combined(errors, total=len(self.ways))

    def _said(self) -> str:
        """Return a line for each stage that has ended, by service."""
        self._gather()
        ended = [(way, timed) for way in self.ways for timed in way.run.timed]
        return "\n".join(f"{way.name}: {timed.status}: {timed.summary}" for way, timed in ended)

    @asynccontextmanager
    async def _cluster(self) -> AsyncIterator[KubeClient]:
        from pydantic import SecretStr

        from slipway_host.kube import KubeClient

        paths = kube_files.paths_of(self._environ.text("KUBECONFIG"))
        document = kube_files.merged(paths, context=self._options.context)
        async with await KubeClient.connect(SecretStr(kube_files.text_of(document))) as kube:
            yield kube

    def _targets(self, config: Config, names: list[str], environment: str, commit: str) -> list[Target]:
        jwt = self._environ.secret("JWT_SECRET")
        wanted = {key for name in names for key in config.services[name].secrets.given}
        brought = self._environ.app_secrets(wanted)
        return [
            targets.target_of(
                config, name, environment=environment, commit=commit, jwt_secret=jwt, app_secrets=brought
            )
            for name in names
        ]
