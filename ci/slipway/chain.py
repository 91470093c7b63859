"""One service's stages in their order, and what runs side by side."""

import datetime as dt
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from slipway import images
from slipway.publisher import publish_all
from slipway.tester import run_tests
from slipway.work import Work
from slipway_host import caller
from slipway_host.errors import ConflictError, DeliveryError, ScannerError
from slipway_host.findings import Findings, merged
from slipway_host.passage import Accounts, Passage
from slipway_host.results import StageResult, Status
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway_host.delivery import Delivery
    from slipway_host.remote_image import RemoteImage


class Chain(Passage):
    """One service's way through all stages: what the engine does comes before the passage.

    Args:
        work: the service.
        delivery: its stages after the push.
        accounts: shared by all services.
        signs: there is something to sign with.
        verifies: signatures are verified before the GitOps commit.
    """

    def __init__(
        self, work: Work, delivery: "Delivery", accounts: Accounts, *, signs: bool, verifies: bool
    ) -> None:
        super().__init__(work.name, delivery, accounts, command=caller.command("deploy"))
        self.work = work
        self._signs, self._verifies = signs, verifies
        self._there: RemoteImage | None = None
        self._began = dt.datetime.now(dt.UTC)
        self._scans: dict[str, Findings] = {}

    async def prepare(self) -> None:
        """Everything up to the GitOps commit."""
        image: list[images.Image | None] = []

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

    async def _image(self) -> images.Image | None:
        """Build and scan; return the image to push, None where the registry has it."""
        work = self.work
        try:
            found = await work.pushed()
        except DeliveryError as error:
            raise error.at(
                "preflight", landed=self.run.landed, next_command=caller.command("deploy")
            ) from error
        self.delivery.allowed.check_image(work.address, found.digest if found else "")
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

        await self.run.stage("build", build)
        if found:
            self._there, self.digest = found, found.digest
            image = self._pulled(found)
        await self.run.stage("scan-image", partial(self._scan, "image", image))
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

        await self.run.stage("push", push)
        self.digest = str(self.run.results["push"].outputs["digest"])
        self.manifests = frozenset(self.run.results["push"].outputs["manifests"].values())
        if not self._verifies:
            return
        from slipway import supply

        if self._signs:
            run_id = self.delivery.run_id
            await self.run.stage(
                "sign", partial(supply.sign, self.work, self.digest, run_id=run_id, began=self._began)
            )
        await self.run.stage("verify", partial(supply.verify, self.work, self.digest))
