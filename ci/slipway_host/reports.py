"""Reports of what the GitOps repository keeps: a run beside the deploys before it, a service over time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from slipway_host import git, receipts
from slipway_host.caller import command
from slipway_host.errors import DeliveryError, NotFoundError, SettingsError, quote
from slipway_host.receipt_check import NO_COMMIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from slipway_host.kpis import Question
    from slipway_host.receipts import Reading, Stored
    from slipway_host.settings import GitSettings, Target
    from slipway_host.source_log import Commits

RECENT = 30
"""Receipts of each service among which the last deploy is looked for."""
DEPLOYED = "Deployed"

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A run, put together of its services' receipts.

    Args:
        document: as the run wrote it, but for services that are not asked for.
        before: service → the receipt of its last deploy before, of that service alone.
        doubt: why it is not verified; empty where it is.
    """

    document: Document
    before: dict[str, Document]
    doubt: str


async def of_run(
    settings: GitSettings,
    targets: Sequence[Target],
    *,
    run: str = "",
    commits: Commits | None = None,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> str:
    """Return the report of a run as HTML.

    Args:
        settings: the GitOps repository and the branch of its receipts.
        targets: the services in their environment.
        run: its id; "" for the newest one of any of these services.
        commits: the services' repository, which knows whose commit it was; None where nobody can ask it.
        protocols: transports that git may use.

    Raises:
        NotFoundError: no receipt of such a run is kept.
        SettingsError: receipts are not kept at all.
        DeliveryError: the repository cannot be read.
    """
    found = await _read(settings, targets, limit=None if run else RECENT, protocols=protocols)
    chosen = choose(found, run=run)
    who = await _whose(commits, chosen.document["commit"])
    return await rendered(chosen.document, chosen.before, doubt=chosen.doubt, **who)


async def of_document(
    document: Mapping[str, Any],
    targets: Sequence[Target],
    settings: Callable[[], Awaitable[GitSettings]],
    *,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> str:
    """Return the report of a run that is at hand, beside the last deploys where those can be read.

    Args:
        document: the run's receipt.
        targets: the services of the run in their environment.
        settings: gives the GitOps repository; may fail.
        protocols: transports that git may use.
    """
    try:
        found = await _read(await settings(), targets, limit=RECENT, protocols=protocols)
    except DeliveryError as error:
        return await rendered(document, {}, alone=f"not compared with the last deploy: {quote(error.cause)}")
    return await rendered(document, _before(found, document["run"]))


async def rendered(document: Mapping[str, Any], before: Mapping[str, Document], **facts: str) -> str:
    """Return a run's report; drawing takes about a second, which nobody else has to wait for."""
    from slipway_host.run_report import run_report

    return await anyio.to_thread.run_sync(partial(run_report, document, before, **facts))


def choose(found: Mapping[str, Reading], *, run: str = "") -> Chosen:
    """Return a run, and what ran before it.

    Args:
        found: the receipts of each service, newest first.
        run: its id; "" for the newest.

    Raises:
        NotFoundError: there is none.
    """
    kept = [one for reading in found.values() for one in reading.receipts]
    wanted = run or max((one.receipt.run for one in kept), default="")
    parts = [one for one in kept if one.receipt.run == wanted]
    if not parts:
        names = ", ".join(found)
        what = (
            f"receipt of run {quote(run, limit=80)} of {names}"
            if run
            else f"run of {names} has left a receipt"
        )
        raise NotFoundError(
            f"no {what}{' is kept' if run else ''}", next_command=command("history") if run else ""
        )
    return Chosen(
        document=_whole([one.document for one in parts]),
        before=_before(found, wanted),
        doubt="; ".join(dict.fromkeys(one.doubt for one in parts if one.doubt and one.doubt != NO_COMMIT)),
    )


async def _read(
    settings: GitSettings,
    targets: Sequence[Target],
    *,
    limit: int | None,
    protocols: Collection[str],
) -> dict[str, Reading]:
    if not settings.receipts:
        raise SettingsError(
            "no receipts are kept: gitops.receipts.store is false",
            next_command="remove that line from slipway.yaml, and deploy again",
        )
    return await receipts.read(settings, targets, limit=limit, protocols=protocols)


def _whole(parts: Sequence[Document]) -> Document:
    """Return the receipts of one run, of a service each, as one."""
    return {
        **parts[0],
        # A rollback may have gone to another image for each service.
        **{
            key: ", ".join(dict.fromkeys(part[key] for part in parts if part[key]))
            for key in ("tag", "commit")
        },
        "gitopsCommit": next((part["gitopsCommit"] for part in parts if part["gitopsCommit"]), ""),
        "changed": any(part["changed"] for part in parts),
        "services": [part["services"][0] for part in parts],
    }


def _before(found: Mapping[str, Reading], run: str) -> dict[str, Document]:
    def earlier(one: Stored) -> bool:
        return one.receipt.run < run and one.service.status == DEPLOYED and one.verified

    last = {name: next(filter(earlier, reading.receipts), None) for name, reading in found.items()}
    return {name: one.document for name, one in last.items() if one}


async def _whose(commits: Commits | None, commit: str) -> dict[str, str]:
    """Return who made a commit, and its first line; nothing where the repository here does not have it."""
    if commits is None or not commit:
        return {}
    try:
        lines = (await commits.log("%H%x1f%an%x1f%s")).splitlines()
    except DeliveryError:
        return {}
    found = next((line for line in lines if line.startswith(commit)), "")
    _, by, subject = found.split("\x1f", 2) if found else ("", "", "")
    return {"by": quote(by, limit=80), "subject": quote(subject, limit=120)}


async def of_service(question: Question, *, protocols: Collection[str] = git.SAFE_PROTOCOLS) -> str:
    """Return the report of one service over time as HTML.

    Args:
        question: about the KPIs, of one service.
        protocols: transports that git may use.

    Raises:
        DeliveryError: the repository cannot be read.
    """
    from slipway_host import kpis
    from slipway_host.service_report import service_report

    (target,) = question.targets
    measured = await kpis.measure(question, protocols=protocols)
    kept = await receipts.read(question.settings, [target], since=measured.since, protocols=protocols)
    own = [one.document for one in kept[target.service].receipts if one.verified]
    draw = partial(service_report, measured.document(), target.service, receipts=own)
    return await anyio.to_thread.run_sync(draw)
