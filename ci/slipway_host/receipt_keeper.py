"""Keeps the receipts of runs in the GitOps repository: one commit for all services of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway_host import git, gitops
from slipway_host.branch_writer import Edit
from slipway_host.errors import DeliveryError, quote
from slipway_host.image_change import RUN, without_credentials
from slipway_host.receipt import to_json
from slipway_host.receipts import DEADLINE_S, branch_of, folder_of, run_of
from slipway_host.run import EFFECTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from slipway_host.progress import Report
    from slipway_host.settings import GitSettings, Target

KEPT = 500
"""Receipts of one application and environment on the branch's tip; older ones are in its history."""


def worth_keeping(service: Mapping[str, Any]) -> bool:
    """Return whether a service's part of a receipt tells of something: finding all in place is nothing.

    Finding a pull request still open is nothing, either.
    """
    acted = any(stage["status"] == "Succeeded" and stage["stage"] in EFFECTS for stage in service["stages"])
    return service["status"] in {"Deployed", "Failed"} or (service["status"] == "Waiting" and acted)


def of_service(document: Mapping[str, Any], service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the receipt of a run as it is for one of its services alone."""
    written = [stage for stage in service["stages"] if stage["stage"] == "gitops" and "outputs" in stage]
    own: dict[str, Any] = {
        "gitopsCommit": written[0]["outputs"].get("commit", "") if written else "",
        "changed": service["status"] == "Deployed",
        "source": without_credentials(document["source"]),
        "services": [service],
    }
    if back := service.get("rollback"):
        own |= {"tag": back["to"], "commit": back["sourceCommit"]}
    return {**document, **own}


async def store(
    settings: GitSettings,
    document: Mapping[str, Any],
    targets: Sequence[Target],
    *,
    report: Report,
    deadline_s: float = DEADLINE_S,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> str:
    """Keep a run's receipt, and return the commit; "" where nothing is to be kept.

    All services of the run are in one commit, on top of what others wrote meanwhile.

    Args:
        settings: the GitOps repository; its `receipts` is the branch, which is made where it is missing.
        document: the receipt.
        targets: of the services in it.
        report: told about each wait.
        deadline_s: for everything together.
        protocols: transports that git may use.

    Raises:
        DeliveryError: it could not be kept.
    """
    places = {target.service: target for target in targets}
    kept = [service for service in document["services"] if worth_keeping(service)]
    if not (settings.receipts and kept):
        return ""
    files = {
        f"{folder_of(places[service['service']])}/{document['run']}.json": to_json(
            of_service(document, service)
        )
        for service in kept
    }

    async def edit(copy: git.Clone, _at: str | None) -> Edit:
        lacking: dict[str, bytes | None] = {path: f"{text}\n".encode() for path, text in files.items()}
        for path in files:
            lacking |= dict.fromkeys(await _outdated(copy, path))
        return Edit(files=lacking, message=_message(document, kept), apps=tuple(one["app"] for one in kept))

    done = await gitops.commit_edit(
        branch_of(settings),
        edit,
        what="receipts",
        report=report,
        deadline_s=deadline_s,
        protocols=protocols,
        create=True,
    )
    return done.commit


async def keep(
    settings: GitSettings,
    document: Mapping[str, Any],
    targets: Sequence[Target],
    *,
    report: Report,
    protocols: Collection[str] = git.SAFE_PROTOCOLS,
) -> None:
    """Keep a run's receipt where that is possible; where it is not, one line says why, and that is all.

    The run is over: whatever goes wrong here does not make another outcome of it.
    """
    try:
        commit = await store(settings, document, targets, report=report, protocols=protocols)
    except DeliveryError as error:
        cause = error.cause
    except Exception as error:  # noqa: BLE001 - see above
        cause = f"a defect of Slipway ({type(error).__name__})"
    else:
        if commit:
            report(f"receipt: kept on {settings.receipts} as {commit[:8]}")
        return
    report(
        f"WARNING: the receipt of run {document['run']} was not kept on {settings.receipts}: {quote(cause)}. "
        f"The run itself is not concerned. Next: let {settings.username} push to {settings.receipts}, or "
        "write gitops.receipts.store: false"
    )


async def _outdated(copy: git.Clone, path: str) -> list[str]:
    """Return the files that have to go for a new one to come."""
    there = await copy.names(path.rpartition("/")[0])
    return sorted(name for name in there if run_of(name) and name != path)[: -(KEPT - 1)]


def _message(document: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> str:
    names = ", ".join(service["app"] for service in services)
    states = ", ".join(dict.fromkeys(service["status"] for service in services))
    kind = "rollback" if any("rollback" in service for service in services) else "deploy"
    subject = f"receipt({names}): {kind} of {document['tag']} in {document['environment']}: {states}"
    return f"{subject}\n\n{RUN}: {document['run']}\n"
