"""What a diagnosis reads of the GitOps repository, by one copy: the values file, and receipts of runs."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from slipway_host import git, receipts, values
from slipway_host.diagnosis_case import Branch, BrokenLinkError
from slipway_host.errors import AccessDeniedError, DeliveryError, NotFoundError, SettingsError, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.diagnosis_case import Case
    from slipway_host.receipts import Reading, Stored

MANIFEST = "app.yaml"
"""Where the Application's own manifest is by custom: beside the values file."""
LOOKS = (20, None)
"""Receipts to read at first, and where these do not tell."""
NOT_KEPT = "gitops.receipts.store is false"


async def branch(case: Case) -> Branch:
    """Return what the GitOps repository holds, read once; why it cannot be read is part of that."""
    if case.branch is None:
        try:
            async with git.clone(case.git) as copy:
                case.branch = await _read(case, copy)
        except DeliveryError as error:
            case.branch = Branch(error=error, silence="the GitOps repository cannot be read")
    return case.branch


async def _read(case: Case, copy: git.Clone) -> Branch:
    path, data, failed = case.target.values, None, None
    try:
        head = await copy.fetch()
    except AccessDeniedError as error:
        fix = f"check GIT_USERNAME and GH_PAT (or GIT_SSH_KEY), then {case.again}"
        raise BrokenLinkError(error.cause, fix=error.next_command or fix) from error
    try:
        data = (await copy.read([path]))[path]
    except DeliveryError as error:
        failed = error
    beside = posixpath.join(posixpath.dirname(path), MANIFEST)
    try:
        await copy.read([beside])
    except (NotFoundError, SettingsError):
        beside = ""
    tag = (values.read_tag(data) or "") if data else ""
    runs, silence = await _runs(case, copy, {case.head_tag, tag} - {""})
    return Branch(
        address=str(copy.address),
        head=head,
        tag=tag,
        data=data,
        error=failed,
        manifest=beside,
        runs=runs,
        silence=silence,
    )


async def _runs(case: Case, copy: git.Clone, tags: set[str]) -> tuple[tuple[Stored, ...], str]:
    """Return the receipts of deploys of some tags that the branch does not contradict, or why there are none.

    Newest first. A file that anybody could have written is no word about tests and scans.
    """
    if not case.git.receipts:
        return (), NOT_KEPT
    found: tuple[Stored, ...] = ()
    unreadable: tuple[str, ...] = ()
    doubted: list[str] = []
    try:
        at = await copy.fetch_tip(case.git.receipts)
        for limit in LOOKS:
            kept = (await receipts.held(copy, at or "", [case.target], limit=limit))[case.target.service]
            unreadable = kept.unreadable
            concerned = await _compared(case, copy, kept, tags)
            found = tuple(one for one in concerned if one.believed)
            doubted = [f"run {one.receipt.run}: {quote(one.doubt)}" for one in concerned if not one.believed]
            complete = limit is None or len(kept.receipts) + len(unreadable) < limit
            if complete or {one.receipt.tag for one in found} == tags:
                break
    except DeliveryError as error:
        case.notes.append(f"receipts of runs cannot be read: {quote(error.cause)}")
        return (), "receipts cannot be read"
    _note(case, "a receipt cannot be read", [quote(one) for one in unreadable])
    _note(case, "a receipt does not count, since the branch does not say what it says", doubted)
    return found, ""


async def _compared(case: Case, copy: git.Clone, kept: Reading, tags: set[str]) -> tuple[Stored, ...]:
    """Return the receipts of deploys of some tags, compared with the branch."""
    name = case.target.service
    concerned = tuple(
        one for one in kept.receipts if one.receipt.kind == "deploy" and one.receipt.tag in tags
    )
    compared = await receipts.verified(copy, [case.target], {name: replace(kept, receipts=concerned)})
    return compared[name].receipts


def _note(case: Case, what: str, found: Sequence[str]) -> None:
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        case.notes.append(f"{what}: {found[0]}{more}")
