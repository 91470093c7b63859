"""What an Application asks of whoever wants a commit applied, and the operation that applies it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host import comparison
from slipway_host.application import FAILED
from slipway_host.errors import TerminalError, quote

if TYPE_CHECKING:
    from slipway_host.application import Application
    from slipway_host.pods import Json


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do next: `done`, `wait`, `request` or `terminate`, and the line that says why."""

    action: str
    line: str


def decide(
    app: Application,
    *,
    synced: str,
    operated: str,
    request: str,
    seen: bool,
    terminate: bool = False,
    compare: bool = False,
) -> Decision:
    """Return what an Application's state asks of us.

    Args:
        app: its state.
        synced: the revision with our commit that it was compared with, or nothing.
        operated: the revision with our commit that the latest operation applied, or nothing.
        request: the mark of our operation.
        seen: whether our operation was ever taken up.
        terminate: end the operation of somebody else.
        compare: what is Synced is compared with the branch's newest commit before a sync is asked for.

    Raises:
        TerminalError: our operation failed, one with our commit keeps failing, or a sync window holds
            the running one back.
    """
    message = quote(str(app.last.get("message", "")), limit=200)
    if app.operation:
        foreign = not app.requested(request)
        # One that is only requested cannot be ended yet: the controller takes it up within seconds.
        if terminate and foreign and app.phase == "Running":
            return Decision(action="terminate", line=f"ending the sync of {app.initiator}, as asked")
        if app.window:
            raise TerminalError(
                f"a sync window of the project denies the sync: {app.window}; Argo CD keeps the "
                "operation and runs it once the window allows",
                next_command=app.project_command,
            )
        if app.failing and operated:
            raise TerminalError(
                f"the sync of {app.initiator} fails and is tried again: {app.failing}",
                next_command=app.command,
            )
        if foreign:
            return Decision(action="wait", line=f"waiting for the sync of {app.initiator}")
        return Decision(action="wait", line=f"Argo CD syncs: {message or 'not taken up yet'}")
    if app.taken_up(request) and app.phase in FAILED:
        raise TerminalError(
            f"the sync ended as {app.phase}{_judged(app)}: {app.complaints()}", next_command=app.command
        )
    failed = bool(operated) and app.phase in FAILED  # a PostSync hook, say: Synced and yet not done
    if app.sync_status == "Synced" and synced and (seen or not failed):
        return Decision(action="done", line=app.summary())
    compared = app.reconciled_at >= str(app.last.get("finishedAt", ""))
    if seen or (operated and not failed and not compared):
        return Decision(action="wait", line=f"applied; Argo CD compares again ({app.summary()})")
    wait = compare and app.sync_status == "Synced" and not failed
    what = "compare with the newest commit" if wait else "sync"
    return Decision(action="wait" if wait else "request", line=f"asking Argo CD to {what} ({app.summary()})")


def _judged(app: Application) -> str:
    """Return what a comparison's error is about, behind a comma; empty where there is none (fault 82)."""
    found = [comparison.judge(message) for kind, message in app.errors() if kind == "ComparisonError"]
    return f", since Argo CD {found[0].cause}" if found else ""


def operation(app: Application, *, revision: str, request: str, run_id: str) -> Json:
    """Return the sync that is requested.

    Prune and options are those of the Application's own automated sync, so that ours differs from
    it in nothing but the time. With several sources each keeps its own target: which of them is our
    repository, only their addresses could tell.
    """
    policy = app.body["spec"].get("syncPolicy") or {}
    sync: Json = {
        "prune": bool((policy.get("automated") or {}).get("prune", False)),
        "syncStrategy": {"hook": {}},
    }
    if not app.body["spec"].get("sources"):
        sync["revision"] = revision
    if policy.get("syncOptions"):
        sync["syncOptions"] = policy["syncOptions"]
    wanted: Json = {
        "initiatedBy": {"username": "slipway"},
        "info": [
            {"name": "Reason", "value": f"slipway run {run_id}"},
            {"name": "Request", "value": request},
        ],
        "sync": sync,
    }
    if policy.get("retry"):
        wanted["retry"] = policy["retry"]
    return wanted
