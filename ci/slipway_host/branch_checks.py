"""What a run needs of the GitOps branch: read once, pushed to on trial, and edited on trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host import git, gitops, values
from slipway_host.checks import CheckStatus, Finding, skipped
from slipway_host.errors import AccessDeniedError, DeliveryError, NotFoundError
from slipway_host.pull_requests import PullRequestClient
from slipway_host.together import Once, together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from slipway_host.settings import GitSettings, PullRequestSettings, Target

# Never written anywhere: only to see that the value could be replaced.
_TRIAL, _NO_DIGEST = "trial", "sha256:" + "0" * 64


@dataclass(frozen=True, kw_only=True)
class Branch:
    """The GitOps branch as one look saw it.

    Args:
        settings: repository and account.
        address: for people.
        head: the branch's commit.
        files: each values file, or why it is none.
        refused: why the account may not push; empty where it may.
        free: whether the server's rules for the branch allow it; None where nobody tells.
        withheld: why it may not push to the branch of the receipts; empty where it may.
    """

    settings: GitSettings
    address: str
    head: str
    files: dict[str, bytes | DeliveryError]
    refused: list[DeliveryError]
    free: bool | None
    withheld: list[DeliveryError]


class BranchChecks:
    """Looks at one branch for all checks that ask about it.

    Args:
        paths: the services' values files.
        settings: the repository and its account.
        api: the server's API, where it is known: it tells the rules for a branch.
        protocols: transports that git may use.
    """

    def __init__(
        self,
        paths: Sequence[str],
        settings: Callable[[], Awaitable[GitSettings]],
        api: PullRequestSettings | None,
        protocols: tuple[str, ...],
    ) -> None:
        self._paths, self._settings, self._api, self._protocols = paths, settings, api, protocols
        self.look = Once(self._open)

    async def _open(self) -> Branch:
        settings = await self._settings()
        files: dict[str, bytes | DeliveryError] = {}
        refused: list[DeliveryError] = []
        withheld: list[DeliveryError] = []
        free: bool | None = None
        async with git.clone(settings, protocols=self._protocols) as copy:
            head = await copy.fetch()

            async def read() -> None:
                for path in dict.fromkeys(self._paths):
                    try:
                        files.update(await copy.read([path]))
                    except DeliveryError as error:
                        files[path] = error

            async def push() -> None:
                nonlocal free
                try:
                    await copy.try_push()
                    await gitops.check_proposals(settings)
                    free = None if settings.pull_request else await self._free(settings, settings.branch)
                except DeliveryError as error:
                    refused.append(error)

            async def keep() -> None:
                try:
                    await copy.try_push(settings.receipts)
                    if await self._free(settings, settings.receipts) is False:
                        withheld.append(_ruled_out(settings.receipts))
                except DeliveryError as error:
                    withheld.append(error)

            await together(read, push, *([keep] if settings.receipts else []))
            address = str(copy.address)
        return Branch(
            settings=settings,
            address=address,
            head=head,
            files=files,
            refused=refused,
            free=free,
            withheld=withheld,
        )

    async def _free(self, settings: GitSettings, branch: str) -> bool | None:
        if self._api is None or settings.token is None:
            return None
        async with PullRequestClient(self._api, settings.token) as client:
            try:
                return await client.may_push(branch)
            except (AccessDeniedError, NotFoundError):  # a token that may push and nothing else
                return None

    async def repository(self) -> Finding:
        """Return where the branch is."""
        branch = await self.look()
        return Finding(found=f"{branch.settings.branch} of {branch.address} is at {branch.head[:8]}")

    async def push(self) -> Finding:
        """Return whether the account may push to it, or propose to."""
        branch = await self.look()
        if branch.refused:
            raise branch.refused[0]
        settings = branch.settings
        if settings.pull_request:
            return Finding(found=f"{settings.username} may push branches, and open pull requests")
        if branch.free is False:
            raise _ruled_out(
                settings.branch, "write gitops.mode: pull-request, or let the account push there"
            )
        if branch.free:
            return Finding(found=f"the account may push, and no rule for {settings.branch} forbids it")
        # A server's rules for a branch judge commits: a dry run has none to show them.
        rules = f"what rules there are for {settings.branch}, only a real push tells"
        return Finding(found=f"the account may push; {rules}")

    async def receipts(self) -> Finding:
        """Return whether the account may push to the branch that keeps receipts: no run fails where not."""
        branch = await self.look()
        settings = branch.settings
        if not settings.receipts:
            return skipped("gitops.receipts.store is false: none is kept")
        if branch.withheld:
            return Finding(
                status=CheckStatus.WARNING,
                found=f"the receipt of a run would not be kept: {branch.withheld[0].cause}",
                fix=f"let {settings.username} push to {settings.receipts}, or write "
                "gitops.receipts.store: false",
            )
        return Finding(found=f"the account may push to {settings.receipts}, which keeps receipts")

    async def values(self, target: Target) -> Finding:
        """Return what a values file names, after an edit of it on trial."""
        data = (await self.look()).files[target.values]
        if isinstance(data, DeliveryError):
            raise data
        tag = values.read_tag(data)
        digest = _NO_DIGEST if values.read_digest(data) is not None else None
        values.set_image(data, tag=_TRIAL, digest=digest, path=target.values)
        return Finding(found=f"{target.values} names {tag or 'no tag yet'}, and can be edited")


def _ruled_out(branch: str, fix: str = "") -> AccessDeniedError:
    cause = f"a rule of the server keeps this account from pushing to {branch}"
    return AccessDeniedError(cause, next_command=fix)
