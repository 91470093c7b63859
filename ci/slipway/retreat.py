"""One rollback: services back to an older image by one GitOps commit, proven as a deploy is."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from slipway import trust
from slipway.inputs import Stage, say
from slipway.records import Records
from slipway.telling import told
from slipway.work import Work, cluster, open_works
from slipway_host import git, receipt, recording, rollback, suspension, undo
from slipway_host.application import read_application
from slipway_host.errors import ConflictError, DeliveryError, NotFoundError, SettingsError
from slipway_host.image_change import FULL_HASH, ImageChange
from slipway_host.passage import Accounts, Passage, release_document, write
from slipway_host.recipe import REVISION
from slipway_host.results import StageResult, Status
from slipway_host.run import new_run_id
from slipway_host.settings import Deadlines
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.remote_image import RemoteImage
    from slipway_host.rollback import Way

COMMAND = "dagger call rollback"


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
        work: the service, its target named by the tag to return to.
        way: where it goes.
        image: what the registry has there.
        accounts: shared by all services.
        kube: the cluster.
        run_id: written to what the run makes.
    """

    def __init__(
        self,
        work: Work,
        way: "Way",
        image: "RemoteImage",
        accounts: Accounts,
        kube: "KubeClient",
        run_id: str,
    ) -> None:
        super().__init__(work.name, work.delivery(kube, run_id), accounts, command=COMMAND, image=image)
        self.work, self.way, self.image = work, way, image
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
        if self.work.environment.require_signature:
            from slipway import supply

            signed = replace(self.work, checkout=replace(self.work.checkout, commit=self._signed_commit()))
            await self.run.stage("verify", partial(supply.verify, signed, self.digest))

    async def _look(self) -> StageResult:
        target = self.delivery.target
        rollback.check_digest(self.way, self.digest, repository=target.repository)
        app = await read_application(self.delivery.kube, target)
        self._suspended = suspension.read(app) is not None
        summary = f"{target.repository}:{target.tag} is {self.digest[:19]}…; Argo CD: {app.summary()}"
        return StageResult(stage="preflight", status=Status.SUCCEEDED, summary=summary)

    def _signed_commit(self) -> str:
        if self.source is None:
            raise SettingsError(
                f"nobody says which commit {self.way.tag} was built from: its provenance proves nothing"
            ).at("verify", next_command=f"{COMMAND} --to=<a tag that Slipway deployed>")
        return self.source

    def taking_back(self, wish: Wish) -> ImageChange:
        """Return what the GitOps repository has to say of this service."""
        way, target = self.way, self.delivery.target
        return ImageChange(
            app=target.app,
            path=target.values,
            tag=way.tag,
            digest=self.digest,
            write_digest=target.write_digest,
            source_commit=self.source,
            source_url=self.work.checkout.url or None,
            rolled_back=None if way.done else way.left,
            hold=None
            if way.done
            else rollback.hold_of(way, everything=wish.everything, reason=wish.reason, by=wish.by),
        )

    async def arrive(self) -> None:
        """Wait as after a deploy; where `undo` had taken the service from Argo CD, that is over now."""
        if self._suspended and self.run.results["gitops"].status is not Status.WAITING:
            delivery, deadline_s = self.delivery, Deadlines().sync_s
            resume = partial(
                undo.resume, delivery.kube, delivery.target, report=delivery.report, deadline_s=deadline_s
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


class Retreat:
    """One run of `rollback`.

    Args:
        inputs: the module's object.
        wish: what was asked for.
        run_id: written to what the run makes.
    """

    def __init__(self, inputs: Stage, wish: Wish, run_id: str = "") -> None:
        self._inputs = inputs
        self._wish = wish
        self._run_id = run_id or new_run_id()
        self._began = time.monotonic()

    async def run(self, services: list[str] | None) -> dict[str, Any]:
        """Roll services back, and return the receipt.

        Raises:
            DeliveryError: one service or several did not arrive; table and receipt are printed before.
        """
        if self._wish.to and self._wish.revert:
            raise SettingsError("--to and --revert name two ways back: give one of them")
        _, works = await open_works(self._inputs, services, "", clean=False, command=COMMAND)
        if not services and len(works) > 1 and not self._wish.revert:
            names = " ".join(f"--service={work.name}" for work in works)
            raise SettingsError("say which services to roll back", next_command=f"{COMMAND} {names}")
        await trust.check_required(works)
        first = works[0]
        accounts = Accounts(
            registry=await first.registry(), git=await first.git(), postgres=await first.postgres()
        )
        checkout = works[0].checkout
        # The commit to return to is not known before the way back is.
        async with told(
            self._inputs, checkout, [work.name for work in works], run=self._run_id, task="rollback"
        ) as teller:
            try:
                async with cluster(self._inputs) as kube:
                    returns = await self.back(works, accounts, kube)
            except DeliveryError as error:
                said = str(error.at("rollback", next_command=COMMAND))
                await self._keep(works, [], {**self._document(works, []), "error": said})
                raise
            document = teller.document = await self._keep(works, returns, self._document(works, returns))
        errors = {one.name: one.run.error for one in returns if one.run.error}
        if errors:
            say(f"{summary(document)}\n\n{receipt.to_json(document)}")
            raise receipt.combined(errors, total=len(returns))
        return document

    async def back(self, works: Sequence[Work], accounts: Accounts, kube: "KubeClient") -> list[Return]:
        """Bring services back; what becomes of each is in what is returned.

        Raises:
            DeliveryError: there is no way back for one of them: nothing was changed for any.
        """
        ways = await self._ways(works, accounts)
        images = await together(*(partial(_image, work, way.tag) for work, way in ways))
        accounts = replace(accounts, git=replace(accounts.git, message=rollback.MESSAGE))
        returns = [
            Return(
                replace(work, target=replace(work.target, image_tag=way.tag)),
                way,
                image,
                accounts,
                kube,
                self._run_id,
            )
            for (work, way), image in zip(ways, images, strict=True)
        ]
        for one in returns:
            say(f"{one.name}: {one.way.left} → {one.way.tag}{' (done already)' if one.way.done else ''}")
            if warning := rollback.warning(one.way, one.delivery.target):
                say(f"WARNING: {warning}")
        await together(*(partial(one.guarded, one.look) for one in returns))
        # Several in one go: one that cannot return stops the others before anything is changed.
        errors = {one.name: one.run.error for one in returns if one.run.error}
        if errors:
            raise receipt.combined(errors, total=len(returns))
        await write({one: one.taking_back(self._wish) for one in returns})
        await together(*(partial(one.guarded, one.arrive) for one in returns if not one.run.error))
        return returns

    async def _ways(self, works: Sequence[Work], accounts: Accounts) -> list[tuple[Work, "Way"]]:
        found: list[tuple[Work, Way]] = []
        async with git.clone(accounts.git, depth=200) as copy:
            await copy.fetch()
            for work in works:
                try:
                    way = await rollback.find(copy, work.target, to=self._wish.to, revert=self._wish.revert)
                except DeliveryError as error:
                    raise error.at("preflight", next_command="dagger call history") from None
                if way and self._wish.leaving not in {"", way.left}:
                    raise ConflictError(
                        f"the branch names {way.left} by now, and not {self._wish.leaving}", stage="preflight"
                    )
                if way:
                    found.append((work, way))
        if not found:
            raise NotFoundError(
                f"commit {self._wish.revert[:12]} changed no image of {', '.join(w.name for w in works)} "
                f"on {accounts.git.branch}",
                stage="preflight",
                next_command="dagger call history",
            )
        return found

    def _document(self, works: Sequence[Work], returns: Sequence[Return]) -> dict[str, Any]:
        first = works[0]
        return release_document(
            returns,
            seconds=time.monotonic() - self._began,
            run=self._run_id,
            environment=first.target.environment,
            commit=(returns[0].source or "") if returns else "",
            tag=", ".join(dict.fromkeys(one.way.tag for one in returns)),
            source=first.checkout.url,
        )

    async def _keep(
        self, works: Sequence[Work], returns: Sequence[Return], document: dict[str, Any]
    ) -> dict[str, Any]:
        kept = await recording.keep(document, returns, say)
        records = Records(checkout=works[0].checkout, environment=works[0].target.environment)
        await records.keep(self._run_id, [work.name for work in works], kept.files)
        return kept.document


async def _image(work: Work, tag: str) -> "RemoteImage":
    """Return what the registry has under a tag; a rollback to what is gone would take the service down."""
    try:
        found = await work.tagged(tag)
        if found is None:
            raise NotFoundError(
                f"{work.target.repository}:{tag} is not in the registry: nothing was changed",
                next_command="dagger call history, and name a tag that is there with --to",
            )
    except DeliveryError as error:
        raise error.at("preflight", next_command=COMMAND) from None
    return found


def summary(document: Mapping[str, Any]) -> str:
    """Return a receipt for people: the table of stages, and what was said of each service."""
    lines = [receipt.summary(document)]
    for service in document["services"]:
        back = service["rollback"]
        if service["status"] == "Deployed":
            lines.append(
                f"{service['service']}: rolled back from {back['from']}, which is held: "
                f"dagger call hold --service={service['service']} shows and lifts it"
            )
        elif service["status"] == "Unchanged":
            lines.append(
                f"{service['service']}: {back['to']} was returned to before; further back: "
                f"{COMMAND} --service={service['service']} --to=<tag>"
            )
        if "warning" in back:
            lines.append(f"WARNING: {back['warning']}")
    return "\n".join(lines)
