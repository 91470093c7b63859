"""Receipts as runs write them, without a run."""

from __future__ import annotations

from typing import Any

from slipway_host.receipt import receipt
from slipway_host.run import new_run_id

DIGEST = "sha256:" + "ab" * 32
SOURCE = "1234abcd" * 5
GATES = "preflight test build scan-source scan-image push"


def stage(name: str, status: str = "Succeeded", **outputs: Any) -> dict[str, Any]:
    found = {"stage": name, "status": status, "startedAt": "2026-08-01T00:00:00.000Z", "seconds": 1.5}
    return {**found, "summary": f"{name} said something", **({"outputs": outputs} if outputs else {})}


def service(
    name: str = "api", status: str = "Deployed", *, commit: str = "", digest: str = DIGEST, **more: Any
) -> dict[str, Any]:
    """The part of a receipt of one service, which stopped at its tests where there is no GitOps commit."""
    acted = "Skipped" if status == "Unchanged" else "Succeeded"
    written = [stage("push", acted), stage("gitops", acted, commit=commit, branch="main")]
    if status == "Failed":
        more = {"error": "test: 2 tests fail. Landed: nothing. Next: dagger call deploy", **more}
    return {
        "service": name,
        "status": status,
        "app": name,
        "namespace": "shop",
        **({"image": f"r.test/acme/{name}@{digest}", "digest": digest} if commit else {}),
        **more,
        "stages": written if commit else [stage("test", "Failed" if status == "Failed" else "Succeeded")],
    }


def gated(
    failed: str = "",
    *,
    name: str = "api",
    cause: str = "",
    ran: str = GATES,
    commit: str = "c" * 40,
    **more: Any,
) -> dict[str, Any]:
    """The part of a receipt of one service that came to the end of the gates, or failed in one.

    Args:
        failed: the stage that failed; none for a run that ended well.
        name: of service and application.
        cause: of the failure.
        ran: stages that came to an end, besides.
        commit: of the GitOps repository, where it ended well.
        more: facts of the service.
    """
    stages = [stage(one) for one in ran.split() if one != failed]
    if not failed:
        stages.append(stage("gitops", commit=commit))
        return {**service(name, commit=commit), **more, "stages": stages}
    error = {"error": f"{failed}: {cause}. Landed: nothing. Next: dagger call deploy"}
    ended = {**stage(failed, "Failed"), "summary": cause}
    return {**service(name, "Failed"), **error, **more, "stages": [*stages, ended]}


def document(*services: dict[str, Any], run: str = "", **facts: Any) -> dict[str, Any]:
    """A run's receipt."""
    about = {"environment": "prod", "commit": SOURCE, "tag": SOURCE[:8], "source": "https://h.test/acme/shop"}
    written_by = (
        one for s in services for one in s["stages"] if one["stage"] == "gitops" and "outputs" in one
    )
    written = next((one["outputs"]["commit"] for one in written_by), "")
    return receipt(services, seconds=90, run=run or new_run_id(), gitopsCommit=written, **{**about, **facts})
