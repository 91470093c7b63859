"""One service's stages in their order, and what runs side by side."""

import datetime as dt
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from slipway import images
from slipway.inputs import say
from slipway.publisher import publish_all
from slipway.tester import run_tests
from slipway.work import Work
from slipway_host.errors import ConflictError, DeliveryError, ScannerError
from slipway_host.findings import Findings, merged
from slipway_host.results import StageResult, Status
from slipway_host.run import Run
from slipway_host.together import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.delivery import Delivery
    from slipway_host.remote_image import RemoteImage
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings

COMMAND = "dagger call deploy"


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """What the services of one run share.

    Args:
        registry: where images go.
        git: the GitOps repository.
        postgres: the PostgreSQL server.
        signs: there is something to sign with.
        verifies: signatures are verified before the GitOps commit.
    """

    registry: "RegistrySettings"
    git: "GitSettings"
    postgres: "PostgresSettings"
    signs: bool
    verifies: bool


class Chain:
    """One service's way through the stages.

    Args:
        work: the service.
        delivery: its stages after the push.
        accounts: shared by all services.
    """

    def __init__(self, work: Work, delivery: "Delivery", accounts: Accounts) -> None:
        self.work = work
        self.delivery = delivery
        self.run = Run(service=work.name, report=say, next_command=COMMAND)
        self.digest = ""
        self._there: RemoteImage | None = None
        self._began = dt.datetime.now(dt.UTC)
        self.accounts = accounts
        self._scans: dict[str, Findings] = {}

    async def guarded(self, call: "Callable[[], Awaitable[None]]") -> None:
        """Run a part of the chain; its failure is this service's and nobody else's."""
        if self.run.error is None:
            try:
                await call()
            except DeliveryError as error:
                self.run.error = error

    async def prepare(self) -> None:
        """Everything up to the GitOps commit."""
        git, postgres = self.accounts.git, self.accounts.postgres
        image: list[images.Image | None] = []

        async def build() -> None:
            image.append(await self._image())

        await together(
            build,
            partial(self._stage, "preflight", partial(self.delivery.preflight, git, postgres)),
            partial(self._stage, "test", partial(run_tests, self.work)),
            partial(self._stage, "scan-source", partial(self._scan, "source", None)),
        )
        # Behind the gates, and of no concern to each other.
        await together(partial(self._push, image[0]), self._furnish)

    async def migrate(self) -> None:
        """Run the migration, where there is one: everything is in place but the new version."""
        if self.work.target.migration:
            await self._stage("migrate", partial(self.delivery.migrate, self.digest))

    async def arrive(self) -> None:
        """Wait until what was committed is proven to run."""
        git, digest = self.accounts.git, self.digest
        manifests = frozenset(self.run.results["push"].outputs["manifests"].values())
        if self.run.results["gitops"].status is Status.WAITING:
            return
        commit = str(self.run.results["gitops"].outputs["commit"])
        await self._stage("sync", partial(self.delivery.sync, git, commit))
        await self._stage("rollout", partial(self.delivery.rollout, digest))
        await self._stage("health", partial(self.delivery.health, digest, manifests))
        proof = partial(self.delivery.proof, git, commit=commit, digest=digest, manifests=manifests)
        await self._stage("proof", proof)

    def document(self) -> dict[str, Any]:
        """Return the service's part of the receipt."""
        target, proven = self.work.target, self.run.results.get("proof")
        facts: dict[str, Any] = {"app": target.app, "namespace": target.namespace}
        written = self.run.results.get("gitops")
        if written and "pullRequest" in written.outputs:
            facts["pullRequest"] = written.outputs["pullRequest"]
        if self.digest:
            facts |= {"image": f"{target.repository}@{self.digest}", "digest": self.digest}
        if proven:
            facts |= {"argocdRevision": proven.outputs["revision"], "pods": proven.outputs["pods"]}
        return self.run.document(**facts)

    async def _stage(self, name: str, call: "Callable[[], Awaitable[StageResult]]") -> None:
        await self.run.stage(name, call)

    async def _image(self) -> images.Image | None:
        """Build and scan; return the image to push, None where the registry has it."""
        work = self.work
        try:
            found = await work.pushed()
        except DeliveryError as error:
            raise error.at("preflight", landed=self.run.landed, next_command=COMMAND) from error
        image: images.Image | None = None

        async def build() -> StageResult:
            nonlocal image
            if found:
                return StageResult(
                    stage="build",
                    status=Status.SKIPPED,
                    summary=f"{work.address} is in the registry already",
                )
            image = await images.built(work)
            return StageResult(stage="build", status=Status.SUCCEEDED, summary=work.address)

        await self._stage("build", build)
        if found:
            self._there, self.digest = found, found.digest
            image = self._pulled(found)
        await self._stage("scan-image", partial(self._scan, "image", image))
        return None if found else image

    async def _scan(self, what: str, image: images.Image | None) -> StageResult:
        work, policy = self.work, self.work.environment.scan
        known: frozenset[tuple[str, str]] = frozenset()
        found: Findings | None = None
        try:
            if image:
                found = await self._found(image)
                known = await self._running() if policy.only_new else known
            else:
                found = (await work.scanner.source(work.service.context)).findings
            self._scans[what] = found
            found.gate(policy, environment=work.target.environment, known=known)
        except ScannerError as error:
            if policy.fail_when_broken:
                raise
            status, summary = Status.INCONCLUSIVE, error.cause
        else:
            status, summary = Status.SUCCEEDED, found.summary
        outputs = found.document if found else {}
        return StageResult(stage=f"scan-{what}", status=status, summary=summary, outputs=outputs)

    async def _found(self, image: images.Image) -> Findings:
        """Return the findings of all platforms of an image as one."""
        scanned = await self.work.scanner.image(image)
        return replace(merged({one.platform: one.findings for one in scanned}), what="image")

    async def _running(self) -> frozenset[tuple[str, str]]:
        """Return the findings of the image that runs now; none where nothing runs."""
        digest = await self.delivery.running_digest()
        there = await self.work.tagged(digest) if digest else None
        if there is None:
            return frozenset()
        return (await self._found(self._pulled(there))).keys

    def _pulled(self, there: "RemoteImage") -> images.Image:
        password = self.work.secret("registry_password")
        return images.pulled(self.work.target.repository, there, self.accounts.registry, password)

    async def _push(self, image: images.Image | None) -> None:
        async def push() -> StageResult:
            if image is None and self._there:
                return StageResult(
                    stage="push",
                    status=Status.SKIPPED,
                    summary=f"{self.work.address} is in place",
                    outputs=self._there.document(),
                )
            assert image  # noqa: S101 - built, since the registry does not have it
            result = await publish_all(self.work, image)
            scan, pushed = self._scans.get("image"), frozenset(result.outputs["imageIds"].values())
            if scan and scan.image_ids != pushed:
                raise ConflictError(
                    f"what was pushed ({', '.join(sorted(pushed))}) is not what was scanned "
                    f"({', '.join(sorted(scan.image_ids))})"
                )
            return result

        await self._stage("push", push)
        self.digest = str(self.run.results["push"].outputs["digest"])
        if not self.accounts.verifies:
            return
        from slipway import supply

        if self.accounts.signs:
            run_id = self.delivery.run_id
            await self._stage(
                "sign", partial(supply.sign, self.work, self.digest, run_id=run_id, began=self._began)
            )
        await self._stage("verify", partial(supply.verify, self.work, self.digest))

    async def _furnish(self) -> None:
        """Make the Secret and then the database: the role's password is in the Secret."""
        registry, postgres = self.accounts.registry, self.accounts.postgres
        password = None

        async def secrets() -> StageResult:
            nonlocal password
            result, password = await self.delivery.secrets(registry, postgres)
            return result

        await self._stage("secrets", secrets)
        await self._stage("database", lambda: self.delivery.database(postgres, password))
