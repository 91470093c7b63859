"""The commands that deliver pushed images, or make what these need: stages in the order of `Passage`."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from slipway_host import caller, foresight, passage, receipt
from slipway_host.each import Outcome
from slipway_host.fallback import fall_back
from slipway_host.intake import images_for
from slipway_host.intervention import check_reset
from slipway_host.passage import Passage, Way
from slipway_host.receipted import receipted
from slipway_host.revision_job import Revision
from slipway_host.together import together

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from slipway_host.call import Call
    from slipway_host.errors import DeliveryError
    from slipway_host.handover import Handover
    from slipway_host.intake import Intake
    from slipway_host.kube import KubeClient
    from slipway_host.notifications import Teller
    from slipway_host.passage import Accounts
    from slipway_host.plan import Plan
    from slipway_host.remote_image import RemoteImage
    from slipway_host.results import StageResult
    from slipway_host.settings import Target

W = TypeVar("W", bound=Way)


class DeliveryJob:
    """One command.

    Args:
        call: the services, at the commit that is delivered.
        intake: their repository.
        handover: what an earlier run has said of the images.
        options: the command's.
        plan: a saved plan of these services, which is then all that is done.
    """

    def __init__(
        self,
        call: Call,
        intake: Intake,
        handover: Handover,
        options: argparse.Namespace,
        *,
        plan: Plan | None = None,
    ) -> None:
        self._plan = plan
        self._call = call
        self._intake = intake
        self._handover = handover
        self._options = options
        self._began = time.monotonic()

    async def run(self) -> Outcome:
        """Do what the options name."""
        commands = {
            "deploy": self.deploy,
            "plan": self.plan,
            "migrate": self.migrate,
            "smoke": self.smoke,
            "load": self.load,
            "gitops": self.gitops,
            "secrets": self.secrets,
            "database": self.database,
        }
        return await commands[self._options.command]()

    async def deploy(self) -> Outcome:
        """Deliver the images, until they are proven to run."""
        target, planned = self._call.targets[0], self._plan is not None
        document, error = await receipted(
            self._call,
            self._delivered,
            lambda _: (target.commit, target.tag),
            began=self._began,
            planned=planned,
        )
        text = receipt.to_json(document)
        said = text if self._options.receipt_only else f"{receipt.summary(document)}\n\n{text}"
        return Outcome(said, error)

    async def _delivered(self, teller: Teller) -> list[Passage]:
        call = self._call
        accounts, images = await self._brought()
        names = ", ".join(target.service for target in call.targets)
        call.report(f"commit {call.targets[0].commit[:8]} to {call.environment}: {names}")
        async with call.cluster() as kube:
            ways = self._passages(kube, accounts, images)
            if self._plan:
                await foresight.hold(self._plan, ways, foresight.wish(call, ways, await self._ancestors()))
                await teller.begin()

            async def prepare(one: Passage) -> None:
                await one.check()
                await one.furnish()

            await _each(ways, prepare)
            passage.hold_back(call.config, ways)
            await _each(ways, Passage.migrate)
            passage.hold_back(call.config, ways)
            await self._commit(ways)
            await _each(ways, Passage.arrive)
            await fall_back(call, ways, accounts, kube)
        return ways

    async def plan(self) -> Outcome:
        """Say what `deploy` would do."""
        accounts, images = await self._brought()
        async with self._call.cluster() as kube:
            ways = self._passages(kube, accounts, images)
            wish = foresight.wish(self._call, ways, await self._ancestors())
            return Outcome(await foresight.show(ways, wish, as_json=self._options.as_json))

    async def migrate(self) -> Outcome:
        """Run the migrations of the images."""
        migrating = [target for target in self._call.targets if target.migration]
        return await self._stage(migrating, lambda way, revision: way.delivery.migrate(revision.digest))

    async def smoke(self) -> Outcome:
        """Run the smoke tests of the images."""
        tested = [target for target in self._call.targets if target.smoke]
        return await self._stage(tested, lambda way, revision: way.delivery.smoke(revision, again=True))

    async def load(self) -> Outcome:
        """Run the load checks of the images."""
        loaded = [target for target in self._call.targets if target.load]
        return await self._stage(loaded, lambda way, revision: way.delivery.load(revision, again=True))

    async def _stage(
        self, concerned: Sequence[Target], run: Callable[[Way, Revision], Awaitable[StageResult]]
    ) -> Outcome:
        """Run the stage that is named as the command; only services that it concerns need an image."""
        call, stage = self._call, self._options.command
        images = await images_for(call.config, concerned, await call.registry(), self._handover)
        revisions = {name: Revision(image.digest, image.manifests) for name, image in images.items()}
        async with call.cluster() as kube:
            ways = [Way(t.service, call.delivery(t, kube), command=self._command) for t in call.targets]
            call.ways.extend(ways)

            async def one(way: Way) -> None:
                revision = revisions.get(way.name, Revision(""))
                await way.run.stage(stage, partial(run, way, revision))

            await _each(ways, one)
        return _ended(ways)

    async def gitops(self) -> Outcome:
        """Commit the images' tags."""
        accounts, images = await self._brought()
        async with self._call.cluster() as kube:
            ways = self._passages(kube, accounts, images)
            await self._commit(ways)
        return _ended(ways)

    async def secrets(self) -> Outcome:
        """Make namespaces, pull secrets and Secrets."""

        async def one(way: Passage) -> None:
            await way.provide_secrets()

        accounts = await self._call.accounts()
        async with self._call.cluster() as kube:
            ways = self._passages(kube, accounts, {})
            await _each(ways, one)
        return _ended(ways)

    async def database(self) -> Outcome:
        """Make Secrets and databases."""
        role = self._options.reset_password
        check_reset(self._call.targets, role)
        accounts = await self._call.accounts()
        async with self._call.cluster() as kube:
            ways = self._passages(kube, accounts, {})
            await _each(ways, lambda way: way.furnish(reset=role))
        return _ended(ways)

    @property
    def _command(self) -> str:
        return caller.command(self._options.command)

    async def _brought(self) -> tuple[Accounts, dict[str, RemoteImage]]:
        call, accounts = self._call, await self._call.accounts()
        return accounts, await images_for(call.config, call.targets, accounts.registry, self._handover)

    def _passages(
        self, kube: KubeClient, accounts: Accounts, images: Mapping[str, RemoteImage]
    ) -> list[Passage]:
        call = self._call
        ways = [
            Passage(
                target.service,
                call.delivery(target, kube),
                accounts,
                command=self._command,
                image=images.get(target.service),
            )
            for target in call.targets
        ]
        call.ways.extend(ways)
        return ways

    async def _commit(self, ways: Sequence[Passage]) -> None:
        url, ancestors = self._call.source_url, await self._ancestors()
        await passage.commit_images(ways, source_url=url, ancestors=ancestors)

    async def _ancestors(self) -> frozenset[str]:
        return await self._intake.source.ancestors(self._call.targets[0].commit)


async def _each(ways: Sequence[W], call: Callable[[W], Awaitable[None]]) -> None:
    await together(*(partial(way.guarded, partial(call, way)) for way in ways))


def _error(ways: Sequence[Way]) -> DeliveryError | None:
    errors = {way.name: way.run.error for way in ways if way.run.error}
    return receipt.combined(errors, total=len(ways)) if errors else None


def _ended(ways: Sequence[Way]) -> Outcome:
    """Return a line for each stage that has ended, by service."""
    ended = [(way, timed) for way in ways for timed in way.run.timed]
    lines = (f"{way.name}: {timed.status}: {timed.summary}" for way, timed in ended)
    return Outcome("\n".join(lines), _error(ways))
