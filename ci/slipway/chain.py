"""One service's stages in their order, and what runs side by side."""

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

import dagger

from slipway import images, scanner
from slipway.publisher import publish_all
from slipway.tester import run_tests
from slipway.work import Work
from slipway_host.errors import ConflictError, DeliveryError
from slipway_host.findings import Findings, ScannerError
from slipway_host.passage import Accounts, Passage
from slipway_host.results import StageResult, Status
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway_host.delivery import Delivery

COMMAND = "dagger call deploy"


class Chain(Passage):
    """One service's way through all stages: what the engine does comes before the passage.

    Args:
        work: the service.
        delivery: its stages after the push.
        accounts: shared by all services.
        signs: whether there is a key to sign with.
    """

    def __init__(self, work: Work, delivery: "Delivery", accounts: Accounts, *, signs: bool) -> None:
        super().__init__(work.name, delivery, accounts, command=COMMAND)
        self.work = work
        self._signs = signs
        self._began = dt.datetime.now(dt.UTC)
        self._scans: dict[str, Findings] = {}

    async def prepare(self) -> None:
        """Everything up to the GitOps commit."""
        image: list[dagger.Container | None] = []

        async def build() -> None:
            image.append(await self._image())

        await together(
            build,
            self.check,
            partial(self.run.stage, "test", partial(run_tests, self.work)),
            partial(self.run.stage, "scan-source", partial(self._scan, "source", None)),
        )
        # Behind the gates, and of no concern to each other.
        await together(partial(self._push, image[0]), self.furnish)

    async def _image(self) -> dagger.Container | None:
        """Build and scan; return the image to push, None where the registry has it."""
        work = self.work
        try:
            found = await work.pushed()
        except DeliveryError as error:
            raise error.at("preflight", landed=self.run.landed, next_command=COMMAND) from error
        image: dagger.Container | None = None

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

        await self.run.stage("build", build)
        if found:
            self.digest = found.digest
            password = work.secret("registry_password")
            image = images.pulled(work.target.repository, found.digest, self.accounts.registry, password)
        await self.run.stage("scan-image", partial(self._scan, "image", image))
        return None if found else image

    async def _scan(self, what: str, image: dagger.Container | None) -> StageResult:
        work, policy = self.work, self.work.environment.scan
        known: frozenset[tuple[str, str]] = frozenset()
        try:
            ignore = await scanner.ignore_file(work.checkout)
            if image:
                found = (await scanner.scan_image(work.checkout, image, ignore)).findings
                known = await self._running(ignore) if policy.only_new else known
            else:
                found = (await scanner.scan_source(work.checkout, work.service.context, ignore)).findings
        except ScannerError as error:
            if policy.fail_when_broken:
                raise
            return StageResult(stage=f"scan-{what}", status=Status.INCONCLUSIVE, summary=error.cause)
        self._scans[what] = found
        found.gate(policy, environment=work.target.environment, known=known)
        return StageResult(
            stage=f"scan-{what}",
            status=Status.SUCCEEDED,
            summary=found.summary,
            outputs={
                "counts": found.counts,
                "worst": list(found.worst),
                "suppressed": list(found.suppressed),
                "database": found.database,
            },
        )

    async def _running(self, ignore: dagger.File | None) -> frozenset[tuple[str, str]]:
        """Return the findings of the image that runs now; none where nothing runs."""
        digest = await self.delivery.running_digest()
        if not digest:
            return frozenset()
        password = self.work.secret("registry_password")
        image = images.pulled(self.work.target.repository, digest, self.accounts.registry, password)
        return (await scanner.scan_image(self.work.checkout, image, ignore)).findings.keys

    async def _push(self, image: dagger.Container | None) -> None:
        async def push() -> StageResult:
            if image is None:
                return StageResult(
                    stage="push",
                    status=Status.SKIPPED,
                    summary=f"{self.work.address} is in place",
                    outputs={"digest": self.digest},
                )
            result = await publish_all(self.work, image)
            scan, pushed = self._scans.get("image"), result.outputs["imageId"]
            if scan and scan.image_id != pushed:
                raise ConflictError(f"what was pushed ({pushed}) is not what was scanned ({scan.image_id})")
            return result

        await self.run.stage("push", push)
        self.digest = str(self.run.results["push"].outputs["digest"])
        if self._signs:
            from slipway import supply

            sign = partial(
                supply.sign, self.work, self.digest, run_id=self.delivery.run_id, began=self._began
            )
            await self.run.stage("sign", sign)
            await self.run.stage("verify", partial(supply.verify, self.work, self.digest))
