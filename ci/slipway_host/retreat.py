"""One rollback: services back to an older image by one GitOps commit, proven as a deploy is."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from slipway_host import git, holding, receipt, rollback
from slipway_host.caller import command
from slipway_host.each import Outcome
from slipway_host.errors import ConflictError, DeliveryError, NotFoundError, SettingsError
from slipway_host.passage import write
from slipway_host.receipted import receipted
from slipway_host.registry import RegistryClient
from slipway_host.together import together
from slipway_host.way_back import FUNCTION, Return, Wish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway_host.call import Call
    from slipway_host.kube import KubeClient
    from slipway_host.notifications import Teller
    from slipway_host.passage import Accounts
    from slipway_host.remote_image import RemoteImage
    from slipway_host.rollback import Way
    from slipway_host.settings import GitSettings, RegistrySettings, Target
    from slipway_host.way_back import Verify


class Retreat:
    """One run of `rollback`.

    Args:
        call: the services.
        wish: what was asked for.
        verify: checks signatures, where an environment requires them; None where nothing here can.
    """

    def __init__(self, call: Call, wish: Wish, verify: Verify | None = None) -> None:
        self._call = call
        self._wish = wish
        self._verify = verify
        self._began = time.monotonic()

    async def run(self, *, chosen: bool) -> tuple[dict[str, Any], DeliveryError | None]:
        """Roll services back, and return the receipt and what became the error of one or several.

        Args:
            chosen: the services were named.

        Raises:
            DeliveryError: nothing was changed.
        """
        call = self._call
        if self._wish.to and self._wish.revert:
            raise SettingsError("--to and --revert name two ways back: give one of them")
        if not chosen and len(call.targets) > 1 and not self._wish.revert:
            names = (f"--service={target.service}" for target in call.targets)
            raise SettingsError("say which services to roll back", next_command=command(FUNCTION, *names))
        accounts = await call.accounts()

        async def back(_teller: Teller) -> list[Return]:
            async with call.cluster() as kube:
                return await self.back(call.targets, accounts, kube)

        return await receipted(call, back, _version, task=FUNCTION, began=self._began)

    async def back(self, targets: Sequence[Target], accounts: Accounts, kube: KubeClient) -> list[Return]:
        """Bring services back; what becomes of each is in what is returned.

        Raises:
            DeliveryError: there is no way back for one of them: nothing was changed for any.
        """
        call = self._call
        ways = await self._ways(targets, accounts)
        images = await together(*(partial(_image, accounts.registry, one, way.tag) for one, way in ways))
        accounts = replace(accounts, git=replace(accounts.git, message=rollback.MESSAGE))
        returns = [
            # What tests today's commit need not suit an older one, which had a test of its own.
            Return(
                call,
                replace(one, image_tag=way.tag, smoke=None, load=None),
                way,
                image,
                accounts,
                kube,
                self._verifies(one),
            )
            for (one, way), image in zip(ways, images, strict=True)
        ]
        call.ways.extend(returns)
        for one in returns:
            call.report(
                f"{one.name}: {one.way.left} → {one.way.tag}{' (done already)' if one.way.done else ''}"
            )
            if warning := rollback.warning(one.way, one.delivery.target):
                call.report(f"WARNING: {warning}")
        await together(*(partial(one.guarded, one.look) for one in returns))
        # Several in one go: one that cannot return stops the others before anything is changed.
        errors = {one.name: one.run.error for one in returns if one.run.error}
        if errors:
            raise receipt.combined(errors, total=len(returns))
        await write({one: one.taking_back(self._wish) for one in returns})
        await self._hold([one for one in returns if one.way.done and not one.run.error], accounts.git)
        await together(*(partial(one.guarded, one.arrive) for one in returns if not one.run.error))
        return returns

    async def _hold(self, returns: Sequence[Return], settings: GitSettings) -> None:
        """Stop every deploy of what is back already: no commit of an image brings that hold with it."""
        if not self._wish.everything:
            return
        for one in returns:
            wanted = holding.Holding(
                targets=(one.delivery.target,),
                tag="",
                reason=self._wish.reason or f"rolled back to {one.way.tag}",
                by=self._wish.by,
                lift=False,
                run_id=self._call.run_id,
            )
            await one.guarded(partial(one.hold, settings, wanted))

    def _verifies(self, target: Target) -> Verify | None:
        required = self._call.config.environment(target.environment, target.service).require_signature
        if required and self._verify is None:
            raise SettingsError(f"{target.environment} requires signatures, and nothing here verifies them")
        return self._verify if required else None

    async def _ways(self, targets: Sequence[Target], accounts: Accounts) -> list[tuple[Target, Way]]:
        found: list[tuple[Target, Way]] = []
        async with git.clone(accounts.git, depth=200) as copy:
            await copy.fetch()
            for target in targets:
                try:
                    way = await rollback.find(copy, target, to=self._wish.to, revert=self._wish.revert)
                except DeliveryError as error:
                    raise error.at("preflight", next_command=command("history")) from None
                if way and self._wish.leaving not in {"", way.left}:
                    raise ConflictError(
                        f"the branch names {way.left} by now, and not {self._wish.leaving}", stage="preflight"
                    )
                if way:
                    found.append((target, await self._migrated(copy, accounts.git.receipts, target, way)))
        if not found:
            raise NotFoundError(
                f"commit {self._wish.revert[:12]} changed no image of "
                f"{', '.join(target.service for target in targets)} on {accounts.git.branch}",
                stage="preflight",
                next_command=command("history"),
            )
        return found

    async def _migrated(self, copy: git.Clone, branch: str, target: Target, way: Way) -> Way:
        """Return a way with the migrations of runs that brought no commit, as far as receipts can be read."""
        try:
            return await rollback.with_runs(copy, branch, target, way)
        except DeliveryError as error:
            self._call.report(f"WARNING: receipts of runs cannot be read: {error.cause}")
            return way


async def retreat(
    call: Call, wish: Wish, *, chosen: bool, receipt_only: bool, verify: Verify | None = None
) -> Outcome:
    """Roll services back, and return the receipt as it is printed; as `Retreat.run`."""
    document, error = await Retreat(call, wish, verify).run(chosen=chosen)
    text = receipt.to_json(document)
    return Outcome(text if receipt_only else f"{summary(document)}\n\n{text}", error)


async def _image(settings: RegistrySettings, target: Target, tag: str) -> RemoteImage:
    """Return what the registry has under a tag; a rollback to what is gone would take the service down."""
    try:
        async with RegistryClient(settings) as client:
            found = await client.find(target.repository.removeprefix(f"{settings.host}/"), tag)
        if found is None:
            raise NotFoundError(
                f"{target.repository}:{tag} is not in the registry: nothing was changed",
                next_command=f"{command('history')}, and name a tag that is there with --to",
            )
    except DeliveryError as error:
        raise error.at("preflight", next_command=command(FUNCTION)) from None
    return found


def _version(returns: Sequence[Return]) -> tuple[str, str]:
    """Return the commit and the tag that were returned to; neither is known before the way back is."""
    commit = (returns[0].source or "") if returns else ""
    return commit, ", ".join(dict.fromkeys(one.way.tag for one in returns))


def summary(document: Mapping[str, Any]) -> str:
    """Return a receipt for people: the table of stages, and what was said of each service."""
    lines = [receipt.summary(document)]
    for service in document["services"]:
        name, back = service["service"], service["rollback"]
        if service["status"] == "Deployed" and back["from"] == back["to"]:
            lines.append(
                f"{name}: {back['to']} was returned to before; every deploy is held now: "
                f"{command('hold', f'--service={name}')} shows and lifts it"
            )
        elif service["status"] == "Deployed":
            lines.append(
                f"{name}: rolled back from {back['from']}, which is held: "
                f"{command('hold', f'--service={name}')} shows and lifts it"
            )
        elif service["status"] == "Unchanged":
            lines.append(
                f"{name}: {back['to']} was returned to before; further back: "
                f"{command(FUNCTION, f'--service={name}', '--to=<tag>')}"
            )
        if "warning" in back:
            lines.append(f"WARNING: {back['warning']}")
    return "\n".join(lines)
