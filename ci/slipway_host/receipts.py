"""Receipts in the GitOps repository, read without any server; `receipt_keeper` writes them.

They stand on a branch of their own, which Argo CD does not watch, one file for each application and run:
`<folder of the values file>/receipts/<environment>/<run>.json`. A file holds the run's facts and the one
service that it is about. The branch's name is `settings.GitSettings.receipts`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import anyio

from slipway_host import git, receipt_check
from slipway_host.errors import DeadlineError, quote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from slipway_host.receipt_model import Receipt, ServiceReceipt
    from slipway_host.settings import GitSettings, Target

DEADLINE_S = 60.0
UNCHECKED = "it has not been compared with the GitOps branch"
_RUN = re.compile(r"(\d{8}T\d{6})-[0-9a-f]{4,32}")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One receipt of one application, as it was kept.

    Args:
        receipt: the run, with one entry in `services`.
        document: the same as JSON values, as it was written.
        path: where it stands on the branch.
        doubt: why it is not verified; empty where it is.
    """

    receipt: Receipt
    document: dict[str, Any]
    path: str
    doubt: str = UNCHECKED

    @property
    def service(self) -> ServiceReceipt:
        """The one service that it tells of."""
        return self.receipt.services[0]

    @property
    def verified(self) -> bool:
        """Whether the GitOps branch says the same: its commit is there, and names tag and digest."""
        return not self.doubt

    @property
    def believed(self) -> bool:
        """Whether it counts: it is verified, or its run ended before there was anything to compare."""
        return self.verified or self.doubt == receipt_check.NO_COMMIT


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The receipts of one service, newest first, and a line for each file that cannot be read."""

    receipts: tuple[Stored, ...] = ()
    unreadable: tuple[str, ...] = ()


def folder_of(target: Target) -> str:
    """Return the folder of an application's receipts in an environment.

    A values file that is not called `values.*` may share its folder with other applications' files: its
    own name is a folder of the way then.
    """
    path = PurePosixPath(target.values)
    beside = path.parent if path.stem == "values" else path.with_suffix("")
    return str(beside / "receipts" / target.environment)


async def stored(
    settings: GitSettings,
    targets: Sequence[Target],
    *,
    limit: int | None = None,
    since: dt.datetime | None = None,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> dict[str, Reading]:
    """Return what is kept of each service, by name, not yet verified: one fetch, and one for all files.

    Args:
        settings: the GitOps repository and the branch of its receipts.
        targets: the services in their environment.
        limit: at most so many of each, the newest.
        since: only runs that began then or later.
        protocols: transports that git may use.

    Raises:
        DeliveryError: the repository cannot be read. A branch that is not there holds nothing.
    """
    if not settings.receipts:
        return {target.service: Reading() for target in targets}
    async with git.clone(branch_of(settings), protocols=protocols, create=True) as copy:
        return await held(copy, await copy.fetch(), targets, limit=limit, since=since)


async def held(
    copy: git.Clone,
    at: str,
    targets: Sequence[Target],
    *,
    limit: int | None = None,
    since: dt.datetime | None = None,
) -> dict[str, Reading]:
    """Return what a commit of a copy of the GitOps repository holds of each service; "" holds nothing.

    As `stored`, for whoever has a copy already.
    """
    listed = {target.service: await _listed(copy, at, target, limit, since) for target in targets}
    contents = await copy.contents([oid for files in listed.values() for oid in files.values()])
    return {target.service: _reading(target, listed[target.service], contents) for target in targets}


async def read(
    settings: GitSettings,
    targets: Sequence[Target],
    *,
    limit: int | None = None,
    since: dt.datetime | None = None,
    deadline_s: float = DEADLINE_S,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> dict[str, Reading]:
    """Return what is kept of each service, by name, compared with the branch that Argo CD watches.

    As `stored`, and each receipt says whether it is verified.

    Raises:
        DeliveryError: the repository cannot be read.
    """
    try:
        with anyio.fail_after(deadline_s):
            found = await stored(settings, targets, limit=limit, since=since, protocols=protocols)
            if not any(reading.receipts for reading in found.values()):
                return found
            async with git.clone(settings, protocols=protocols, depth=200) as copy:
                await copy.fetch()
                return await verified(copy, targets, found)
    except TimeoutError as error:
        raise DeadlineError(f"receipts could not be read within {deadline_s:.0f} s") from error


async def verified(
    copy: git.Clone, targets: Sequence[Target], found: Mapping[str, Reading]
) -> dict[str, Reading]:
    """Return receipts as they are after a comparison with a copy of the branch that Argo CD watches."""
    places = {target.service: target for target in targets}
    claims = {
        one.path: receipt_check.Claim.of(one.receipt, places[name].values)
        for name, reading in found.items()
        for one in reading.receipts
    }
    doubts = await receipt_check.doubts(copy, claims)
    return {
        name: replace(
            reading, receipts=tuple(replace(one, doubt=doubts[one.path]) for one in reading.receipts)
        )
        for name, reading in found.items()
    }


def branch_of(settings: GitSettings) -> GitSettings:
    """Return the settings of the branch that keeps the receipts; nobody proposes to that one."""
    return replace(settings, branch=settings.receipts, pull_request=None)


async def _listed(
    copy: git.Clone, at: str, target: Target, limit: int | None, since: dt.datetime | None
) -> dict[str, str]:
    if not at:
        return {}
    earliest = f"{since.astimezone(dt.UTC):%Y%m%dT%H%M%S}" if since else "0"
    there = await copy.names(folder_of(target), at=at)
    wanted = sorted((path for path in there if run_of(path) >= earliest), reverse=True)
    return {path: there[path] for path in wanted[:limit]}


def run_of(path: str) -> str:
    """Return when a run began by its file's name; empty for a file that is no receipt."""
    name = PurePosixPath(path)
    found = _RUN.fullmatch(name.stem) if name.suffix == ".json" else None
    return found[1] if found else ""


def _reading(target: Target, files: Mapping[str, str], contents: Mapping[str, bytes]) -> Reading:
    receipts, unreadable = [], []
    for path, oid in files.items():
        try:
            receipts.append(_parsed(target, path, contents[oid]))
        except ValueError as error:
            unreadable.append(f"{path}: {quote(str(error), limit=200)}")
    return Reading(receipts=tuple(receipts), unreadable=tuple(unreadable))


def _parsed(target: Target, path: str, data: bytes) -> Stored:
    from pydantic import ValidationError

    from slipway_host.receipt_model import Receipt

    try:
        found = Receipt.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None
    apps = [service.app for service in found.services]
    if (found.run, found.environment, apps) != (PurePosixPath(path).stem, target.environment, [target.app]):
        raise ValueError("it tells of another run, environment or application than its place says")
    return Stored(receipt=found, document=json.loads(data), path=path)
