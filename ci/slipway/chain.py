"""The order of the stages, what runs side by side, and what the receipt says of it."""

from functools import partial
from typing import TYPE_CHECKING, Any

import dagger

from slipway import images
from slipway.inputs import Stage, say
from slipway.scanner import Findings, scan_image, scan_source
from slipway.tester import run_tests
from slipway.work import Work, open_work
from slipway_host.errors import ConflictError, DeliveryError
from slipway_host.results import StageResult, Status
from slipway_host.run import Run
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway_host.delivery import Delivery
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings

COMMAND = "dagger call deploy"


class Chain:
    """One deploy of one service.

    Args:
        inputs: the module's object.
        service: the service's key, or empty.
    """

    def __init__(self, inputs: Stage, service: str) -> None:
        self._inputs = inputs
        self._service = service
        self._run = Run(service=service, report=say, next_command=COMMAND)
        self._scans: dict[str, Findings] = {}
        self._ancestors: frozenset[str] | None = None
        self._digest = ""

    async def run(self) -> dict[str, Any]:
        """Run every stage and return the receipt.

        Raises:
            DeliveryError: a stage failed; it says which, what landed and what to do next.
        """
        work = await self._open()
        registry, git = await work.registry(), await work.git()
        postgres = await work.postgres()
        async with work.delivery(self._run.run_id) as delivery:
            image = await self._prepare(work, delivery, git, postgres)
            # Behind the gates, and of no concern to each other.
            await together(
                partial(self._push, work, image),
                partial(self._furnish, delivery, registry, postgres),
            )
            return await self._arrive(work, delivery, git)

    async def _open(self) -> Work:
        opened: list[Work] = []

        async def config() -> StageResult:
            work = await open_work(self._inputs, self._service, clean=True, command=COMMAND)
            opened.append(work)
            self._run.service = work.name
            what = f"{work.name} of commit {work.checkout.commit[:8]} to {work.target.environment}"
            return StageResult(stage="config", status=Status.SUCCEEDED, summary=what)

        await self._run.stage("config", config)
        return opened[0]

    async def _prepare(
        self, work: Work, delivery: "Delivery", git: "GitSettings", postgres: "PostgresSettings"
    ) -> dagger.Container | None:
        """Test, scan and build; return the image to push, None where the registry has it."""

        async def ancestors() -> dagger.Container | None:
            self._ancestors = await work.checkout.ancestors()
            return None

        async def stage(name: str, call: Any) -> dagger.Container | None:
            await self._run.stage(name, call)
            return None

        tree = work.checkout.tree.directory(work.service.context)
        image, *_ = await together(
            partial(self._image, work),
            partial(stage, "preflight", partial(delivery.preflight, git, postgres)),
            partial(stage, "test", partial(run_tests, work.checkout, work.service, work.name)),
            partial(stage, "scan-source", partial(self._scan, work, "source", tree)),
            ancestors,
        )
        return image

    async def _image(self, work: Work) -> dagger.Container | None:
        try:
            found = await work.pushed()
        except DeliveryError as error:
            raise error.at("preflight", landed=self._run.landed, next_command=COMMAND) from error
        self._digest = found.digest if found else ""
        image = images.build(work.checkout, work.recipe)

        async def build() -> StageResult:
            if found:
                return StageResult(
                    stage="build",
                    status=Status.SKIPPED,
                    summary=f"{work.address} is in the registry already",
                )
            await images.built(image)
            return StageResult(stage="build", status=Status.SUCCEEDED, summary=work.address)

        await self._run.stage("build", build)
        if found:
            settings = await work.registry()
            image = images.pulled(
                work.target.repository, found.digest, settings, work.secret("registry_password")
            )
        await self._run.stage("scan-image", partial(self._scan, work, "image", image))
        return None if found else image

    async def _scan(self, work: Work, what: str, of: dagger.Directory | dagger.Container) -> StageResult:
        scanner = work.checkout.config.scanner
        if isinstance(of, dagger.Container):
            findings = (await scan_image(scanner, of)).findings
        else:
            findings = (await scan_source(scanner, of)).findings
        self._scans[what] = findings
        findings.gate(work.environment.scan, environment=work.target.environment)
        return StageResult(
            stage=f"scan-{what}",
            status=Status.SUCCEEDED,
            summary=findings.summary,
            outputs={"counts": findings.counts, "worst": list(findings.worst)},
        )

    async def _push(self, work: Work, image: dagger.Container | None) -> None:
        async def push() -> StageResult:
            if image is None:
                return StageResult(
                    stage="push",
                    status=Status.SKIPPED,
                    summary=f"{work.address} is in place",
                    outputs={"digest": self._digest},
                )
            result = await images.publish_all(work, image)
            scanned, pushed = self._scans["image"].image_id, result.outputs["imageId"]
            if scanned != pushed:
                raise ConflictError(
                    f"what was pushed ({pushed}) is not what was scanned ({scanned})",
                    next_command=COMMAND,
                )
            return result

        result = await self._run.stage("push", push)
        self._digest = str(result.outputs["digest"])

    async def _furnish(
        self, delivery: "Delivery", registry: "RegistrySettings", postgres: "PostgresSettings"
    ) -> None:
        """Make the Secret and then the database: the role's password is in the Secret."""
        password = None

        async def secrets() -> StageResult:
            nonlocal password
            result, password = await delivery.secrets(registry, postgres)
            return result

        await self._run.stage("secrets", secrets)
        await self._run.stage("database", lambda: delivery.database(postgres, password))

    async def _arrive(self, work: Work, delivery: "Delivery", git: "GitSettings") -> dict[str, Any]:
        """Commit, and wait until what was committed is proven to run; return the receipt."""
        digest = self._digest
        commit_it = partial(
            delivery.gitops,
            git,
            digest=digest,
            source_url=work.checkout.url,
            ancestors=self._ancestors,
        )
        committed = await self._run.stage("gitops", commit_it)
        commit = str(committed.outputs["commit"])
        await self._run.stage("sync", partial(delivery.sync, git, commit))
        await self._run.stage("rollout", partial(delivery.rollout, digest))
        await self._run.stage("health", partial(delivery.health, digest))
        proven = await self._run.stage("proof", partial(delivery.proof, git, commit=commit, digest=digest))
        target = work.target
        return self._run.receipt(
            app=target.app,
            environment=target.environment,
            namespace=target.namespace,
            commit=target.commit,
            tag=target.tag,
            image=f"{target.repository}@{digest}",
            digest=digest,
            gitopsCommit=commit,
            argocdRevision=proven.outputs["revision"],
            pods=proven.outputs["pods"],
            readyPods=len(proven.outputs["pods"]),
        )
