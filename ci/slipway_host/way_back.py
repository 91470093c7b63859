"""One service's way back: what is looked at before, written, and waited for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from slipway_host import holding, rollback, suspension, undo
from slipway_host.caller import command
from slipway_host.errors import SettingsError
from slipway_host.image_change import FULL_HASH, ImageChange
from slipway_host.passage import Passage
from slipway_host.recipe import REVISION
from slipway_host.results import StageResult, Status
from slipway_host.settings import Deadlines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.call import Call
    from slipway_host.holding import Holding
    from slipway_host.kube import KubeClient
    from slipway_host.passage import Accounts
    from slipway_host.remote_image import RemoteImage
    from slipway_host.rollback import Way
    from slipway_host.settings import GitSettings, Target

    Verify = Callable[[str, str, str], Awaitable[StageResult]]

FUNCTION = "rollback"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What was asked for.

    Args:
        to: a tag; nothing for the previous good one.
        revert: a GitOps commit to take back, or nothing.
        reason: why, for whoever finds the hold.
        by: who.
        everything: hold every deploy, and not only the tag that was left.
        leaving: only where the branch still names this tag; nothing for whatever it names.
    """

    to: str = ""
    revert: str = ""
    reason: str = ""
    by: str = ""
    everything: bool = False
    leaving: str = ""


class Return(Passage):
    """One service's way back.

    Args:
        call: what the services share.
        target: the service, named by the tag to return to.
        way: where it goes.
        image: what the registry has there.
        accounts: shared by all services.
        kube: the cluster.
        verify: checks the signature of a service's image, by its key, its commit and its digest; None where
            none is required.
    """

    def __init__(
        self,
        call: Call,
        target: Target,
        way: Way,
        image: RemoteImage,
        accounts: Accounts,
        kube: KubeClient,
        verify: Verify | None,
    ) -> None:
        delivery = call.delivery(target, kube)
        super().__init__(target.service, delivery, accounts, command=command(FUNCTION), image=image)
        self.way, self.image = way, image
        self._source_url, self._verify = call.source_url, verify
        self._suspended = False

    @property
    def source(self) -> str | None:
        """The service's commit that the image was built from, by history or by the image's own label."""
        if self.way.source:
            return self.way.source
        named = "".join(self.image.labelled(REVISION))
        return named if FULL_HASH.fullmatch(named) else None

    async def look(self) -> None:
        """See that the way is free, and that the image is what it has to be."""
        await self.run.stage("preflight", self._look)
        if self._verify:
            verify = partial(self._verify, self.name, self._signed_commit(), self.digest)
            await self.run.stage("verify", verify)

    async def _look(self) -> StageResult:
        target = self.delivery.target
        rollback.check_digest(self.way, self.digest, repository=target.repository)
        app = await self.delivery.applications.read(target)
        self._suspended = suspension.read(app) is not None
        summary = f"{target.repository}:{target.tag} is {self.digest[:19]}…; Argo CD: {app.summary()}"
        return StageResult(stage="preflight", status=Status.SUCCEEDED, summary=summary)

    def _signed_commit(self) -> str:
        if self.source is None:
            raise SettingsError(
                f"nobody says which commit {self.way.tag} was built from: its provenance proves nothing"
            ).at("verify", next_command=command(FUNCTION, "--to=<a tag that Slipway deployed>"))
        return self.source

    def taking_back(self, wish: Wish) -> ImageChange:
        """Return what the GitOps repository has to say of this service."""
        way, target = self.way, self.delivery.target
        hold = rollback.hold_of(way, everything=wish.everything, reason=wish.reason, by=wish.by)
        return ImageChange(
            app=target.app,
            path=target.values,
            tag=way.tag,
            digest=self.digest,
            write_digest=target.write_digest,
            source_commit=self.source,
            source_url=self._source_url or None,
            rolled_back=None if way.done else way.left,
            hold=None if way.done else hold,
            service=target.service,
        )

    async def hold(self, settings: GitSettings, wanted: Holding) -> None:
        """Place a hold by a commit of its own."""

        async def place() -> StageResult:
            said = await holding.hold(settings, wanted, report=self.delivery.report)
            status, _, summary = said.partition("\n")[0].partition(": ")
            return StageResult(stage="hold", status=Status(status), summary=summary)

        await self.run.stage("hold", place)

    async def arrive(self) -> None:
        """Wait as after a deploy; where `undo` had taken the service from Argo CD, that is over now."""
        if self._suspended and self.run.results["gitops"].status is not Status.WAITING:
            delivery, deadline_s = self.delivery, Deadlines().sync_s
            resume = partial(
                undo.resume,
                delivery.applications,
                delivery.target,
                report=delivery.report,
                deadline_s=deadline_s,
            )
            await self.run.stage("resume", resume)
        await super().arrive()

    def document(self) -> dict[str, Any]:
        """Return the service's part of the receipt."""
        found = super().document()
        warning = rollback.warning(self.way, self.delivery.target)
        found["rollback"] = {
            "from": self.way.left,
            "to": self.way.tag,
            "sourceCommit": self.source or "",
            **({"warning": warning} if warning else {}),
        }
        return found
