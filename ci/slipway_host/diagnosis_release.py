"""The first links of a diagnosis: the commit, what the values file names, and the registry's image of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host import values
from slipway_host.diagnosis_branch import branch
from slipway_host.diagnosis_case import BrokenLinkError
from slipway_host.diagnosis_runs import of_head
from slipway_host.errors import AccessDeniedError, ServiceUnavailableError, SettingsError
from slipway_host.pods import Image
from slipway_host.recipe import REVISION
from slipway_host.registry import RegistryClient

if TYPE_CHECKING:
    from slipway_host.diagnosis_case import Case


async def commit(case: Case) -> str:
    """Say which commit the diagnosis is about."""
    return f"HEAD is {case.target.commit}"


async def named(case: Case) -> str:
    """Read what the GitOps branch asks for: a tag, a digest, a repository."""
    target, path, seen = case.target, case.target.values, await branch(case)
    if seen.data is None:
        assert seen.error  # noqa: S101 - there is one of the two
        raise seen.error
    case.branch_head, case.manifest, data = seen.head, seen.manifest, seen.data
    where = f"{path} on {case.git.branch} of {seen.address}"
    try:
        values.check_tag(data, path)
    except SettingsError as error:
        quotes = "not quoted" in error.cause
        raise BrokenLinkError(
            f"{error.cause} (on {case.git.branch} of {seen.address})",
            fix=case.call("gitops")
            if quotes
            else f'write image.tag: "" to {path}, then {case.call("deploy")}',
        ) from error
    tag, (run, function) = values.read_tag(data), of_head(case, seen)
    if tag is None:
        raise BrokenLinkError(
            f"{where} has an empty image.tag: nothing was deployed yet", fix=case.call(function), evidence=run
        )
    _same_repository(case, values.read_repository(data), where)
    case.digest = values.read_digest(data) or ""
    pinned = f" and {case.digest}" if case.digest else ""
    if tag == case.head_tag:
        return f"{where} names {tag}{pinned}, HEAD's tag"
    found = f"{await _head_image(case)}; {run}"
    if case.expect_head:
        raise BrokenLinkError(
            f"{where} names {tag}{pinned}, not HEAD's {case.head_tag}: HEAD was not deployed",
            fix=case.call(function),
            evidence=found,
        )
    case.notes.append(f"HEAD ({case.head_tag}) is not deployed: {found}")
    case.name_tag(tag)
    return f"{where} names {target.repository}:{tag}{pinned}"


def _same_repository(case: Case, found: str | None, where: str) -> None:
    ours = case.target.repository
    # Charts may keep the registry's host in a key of its own.
    if (
        found is None
        or Image.parse(found).repository == Image.parse(ours).repository
        or ours.endswith(f"/{found}")
    ):
        return
    raise BrokenLinkError(
        f"{where} takes its image from {found[:200]}, and Slipway pushes to {ours}",
        fix=f"write image.repository: {ours} to {case.target.values}, then {case.call('sync')}",
    )


async def _head_image(case: Case) -> str:
    """Say whether the registry has HEAD's image, which tells a failed build or push from a failed commit."""
    address = f"{case.target.repository}:{case.head_tag}"
    try:
        async with RegistryClient(case.registry) as client:
            found = await client.find(_path(case), case.head_tag)
    except (AccessDeniedError, ServiceUnavailableError) as error:
        return error.cause
    there = "in" if found else "not in"
    step = "its GitOps commit is missing" if found else "it was not built and pushed"
    return f"{address} is {there} the registry, {step}"


def _path(case: Case) -> str:
    return case.target.repository.removeprefix(f"{case.registry.host}/")


async def image(case: Case) -> str:
    """Find the image in the registry, and take its digest for everything that follows."""
    target = case.target
    address = f"{target.repository}@{case.digest}" if case.digest else f"{target.repository}:{target.tag}"
    try:
        async with RegistryClient(case.registry) as client:
            found = await client.find(_path(case), case.digest or target.tag)
    except ServiceUnavailableError as error:
        raise BrokenLinkError(error.cause, fix=f"curl -sS https://{case.registry.host}/v2/") from error
    if found is None:
        step = "push" if target.tag == case.head_tag and not case.digest else "deploy"
        raise BrokenLinkError(
            f"the registry has no {address}, which {target.values} names", fix=case.call(step)
        )
    case.digest, case.manifests = found.digest, found.manifests
    revisions = ", ".join(sorted(filter(None, found.labelled(REVISION))))
    origin = f", built from {revisions[:200]}" if revisions else ""
    return f"{address} is there{'' if found.digest in address else f' as {found.digest}'}{origin}"
