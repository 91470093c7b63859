"""What every deploy does once the images are in the registry, whoever started it.

`dagger call deploy` comes here after its builds, `slipway-host deploy` at once: Secrets and database, one
GitOps commit for all services, and the wait until what was committed is proven to run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from slipway_host import gitops
from slipway_host.errors import DeliveryError, TerminalError
from slipway_host.progress import Step, running
from slipway_host.results import StageResult, Status
from slipway_host.revision_job import Revision
from slipway_host.run import Run
from slipway_host.selection import blocked
from slipway_host.settings import Deadlines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pydantic import SecretStr

    from slipway_host.config import Config
    from slipway_host.delivery import Delivery
    from slipway_host.image_change import ImageChange
    from slipway_host.progress import Report
    from slipway_host.remote_image import RemoteImage
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """What the services of one run share."""

    registry: RegistrySettings
    git: GitSettings
    postgres: PostgresSettings


class Way:
    """One service's stages, with what they did on record.

    Args:
        name: key in `slipway.yaml`.
        delivery: the service's stages.
        command: what the user typed, for errors.
    """

    def __init__(self, name: str, delivery: Delivery, *, command: str) -> None:
        self.name = name
        self.delivery = delivery
        self.run = Run(service=name, report=delivery.report, next_command=command)

    async def guarded(self, call: Callable[[], Awaitable[None]]) -> None:
        """Run a part of the way; its failure is this service's and nobody else's."""
        if self.run.error is None:
            try:
                await call()
            except DeliveryError as error:
                self.run.error = error


class Passage(Way):
    """One service's way from its image to the proof.

    Args:
        name: key in `slipway.yaml`.
        delivery: the service's stages.
        accounts: shared by all services.
        command: what the user typed, for errors.
        image: what was pushed, where it is known already.
    """

    def __init__(
        self,
        name: str,
        delivery: Delivery,
        accounts: Accounts,
        *,
        command: str,
        image: RemoteImage | None = None,
    ) -> None:
        super().__init__(name, delivery, command=command)
        self.accounts = accounts
        self.digest = image.digest if image else ""
        self.manifests = image.manifests if image else frozenset()
        self.fallback: dict[str, Any] = {}

    async def check(self) -> None:
        """Look at everything that later stages need."""
        git, postgres = self.accounts.git, self.accounts.postgres
        await self.run.stage("preflight", partial(self.delivery.preflight, git, postgres))

    async def furnish(self, *, reset: str = "") -> None:
        """Make the Secret and then the database: the role's password is in the Secret.

        Args:
            reset: a role that gets that password in place of another one.
        """
        database, postgres = self.delivery.target.database, self.accounts.postgres
        anew = bool(reset and database and database.role == reset)
        password = await self.provide_secrets(reset=anew)
        await self.run.stage("database", lambda: self.delivery.database(postgres, password, reset=anew))

    async def provide_secrets(self, *, reset: bool = False) -> SecretStr | None:
        """Make namespace, pull secret and Secret, and return the database password that it holds."""
        password = None

        async def secrets() -> StageResult:
            nonlocal password
            result, password = await self.delivery.secrets(
                self.accounts.registry, self.accounts.postgres, reset=reset
            )
            return result

        await self.run.stage("secrets", secrets)
        return password

    async def migrate(self) -> None:
        """Run the migration, where there is one: everything is in place but the new version."""
        if self.delivery.target.migration:
            await self.run.stage("migrate", partial(self.delivery.migrate, self.digest))

    @property
    def migrated(self) -> str:
        """The Job that has migrated the database for the image, in this run or before; empty for none."""
        done = self.run.results.get("migrate")
        return str(done.outputs["job"]) if done else ""

    async def arrive(self) -> None:
        """Wait until what was committed is proven to run; a pull request that waits is the end."""
        if self.run.results["gitops"].status is Status.WAITING:
            return
        git, digest, manifests = self.accounts.git, self.digest, self.manifests
        made = str(self.run.results["gitops"].outputs["commit"])
        unchanged = self.run.results["gitops"].status is Status.SKIPPED
        await self.run.stage("sync", partial(self.delivery.sync, git, made, unchanged=unchanged))
        await self.run.stage("rollout", partial(self.delivery.rollout, digest))
        await self.run.stage("health", partial(self.delivery.health, digest, manifests))
        if self.delivery.target.smoke:
            await self.run.stage("smoke", partial(self.delivery.smoke, Revision(digest, manifests)))
        if self.delivery.target.load:
            await self.run.stage("load", partial(self.delivery.load, Revision(digest, manifests)))
        proof = partial(self.delivery.proof, git, commit=made, digest=digest, manifests=manifests)
        await self.run.stage("proof", proof)

    def document(self) -> dict[str, Any]:
        """Return the service's part of the receipt, with the automatic rollback's, where there was one."""
        target, proven = self.delivery.target, self.run.results.get("proof")
        facts: dict[str, Any] = {"app": target.app, "namespace": target.namespace}
        written = self.run.results.get("gitops")
        if written and "pullRequest" in written.outputs:
            facts["pullRequest"] = written.outputs["pullRequest"]
        if self.digest:
            facts |= {"image": f"{target.repository}@{self.digest}", "digest": self.digest}
        measured = next(
            (timed.outputs.get("load") for timed in self.run.timed if timed.stage == "load"), None
        )
        if measured:
            facts["load"] = measured
        if proven:
            facts |= {"argocdRevision": proven.outputs["revision"], "pods": proven.outputs["pods"]}
        if self.fallback:
            facts["automaticRollback"] = self.fallback
        return self.run.document(**facts)


def hold_back(config: Config, passages: Sequence[Passage]) -> None:
    """Give an error to what depends on a service that failed."""
    failed = {passage.name for passage in passages if passage.run.error}
    for passage in passages:
        other = blocked(config, passage.name, failed)
        if other and passage.run.error is None:
            passage.run.error = TerminalError(
                f"held back: it depends on {other}, which failed",
                stage="gitops",
                landed=passage.run.landed,
                next_command=passage.run.next_command,
            )


async def commit_images(
    passages: Sequence[Passage], *, source_url: str, ancestors: frozenset[str] | None
) -> None:
    """Commit the images of all that have not failed at once; where one is refused, each by itself.

    Args:
        passages: the services; a failure becomes the error of those that it concerns.
        source_url: the services' repository, or "".
        ancestors: full hashes of older commits of it, which tell a newer deploy from an older one.
    """
    changes = {
        passage: passage.delivery.change(
            digest=passage.digest, source_url=source_url, ancestors=ancestors, migration=passage.migrated
        )
        for passage in passages
        if passage.run.error is None
    }
    if changes:
        await write(changes)


async def commit(
    settings: GitSettings,
    changes: Sequence[ImageChange],
    *,
    run_id: str,
    report: Report,
    deadlines: Deadlines | None = None,
) -> dict[str, StageResult]:
    """Write all images as one commit, and return each application's result.

    Raises:
        DeliveryError: of `gitops.commit_images`; then nothing of it landed.
    """
    deadline_s = (deadlines or Deadlines()).git_s
    done = await gitops.commit_images(settings, changes, run_id=run_id, report=report, deadline_s=deadline_s)
    outputs: dict[str, Any] = {"branch": done.branch, "attempts": done.attempts}
    if done.pull_request:
        outputs["pullRequest"] = done.pull_request
    # A proposed commit is not on the branch: whatever waits for `commit` must not take it for that.
    outputs["proposed" if done.status is Status.WAITING else "commit"] = done.commit
    results = {}
    for change in changes:
        acted = change.app in done.changed
        how = f"merge {done.pull_request}" if done.status is Status.WAITING else f"commit {done.commit[:8]}"
        what = how if acted else f"{change.path} has it since before"
        results[change.app] = StageResult(
            stage="gitops",
            status=done.status if acted else Status.SKIPPED,
            summary=f"tag {change.tag} on {done.branch}: {what}",
            outputs=outputs,
        )
    return results


async def write(changes: Mapping[Passage, ImageChange]) -> None:
    """Commit changes at once; where they are refused together, each by itself.

    Args:
        changes: by the services that they are of; a failure becomes the error of those that it concerns.
    """
    began = time.monotonic()
    outcomes: dict[str, StageResult] = {}
    failure: DeliveryError | None = None
    first = next(iter(changes))
    steps = [passage.run.begin("gitops") for passage in changes]
    # One commit for all of them: what is said of it is said once.
    shared = steps[0] if len(steps) == 1 else Step(", ".join(step.service for step in steps), "gitops")
    try:
        with running(shared):
            outcomes = await commit(
                first.accounts.git,
                list(changes.values()),
                run_id=first.delivery.run_id,
                report=first.delivery.report,
            )
    except TerminalError as error:
        if len(changes) > 1:
            for passage, change in changes.items():
                await write({passage: change})
            return
        failure = error
    except DeliveryError as error:
        failure = error
    for passage in changes:
        outcome = failure or outcomes[passage.delivery.target.app]
        passage.run.record("gitops", outcome, time.monotonic() - began)
        passage.run.error = passage.run.error or failure
