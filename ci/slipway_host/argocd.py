"""Have Argo CD apply our commit, through its Application.

Relied on, from the controller's source (3.2): an operation exists for as long as `.operation` does,
and is requested by setting it and clearing `status.operationState`; a sync window leaves it Running
with a message; the refresh annotation goes once its comparison is stored.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from slipway_host import comparison, waiting
from slipway_host.application import FAILED, Application, Holds
from slipway_host.caller import command
from slipway_host.errors import (
    ConflictError,
    DeadlineError,
    TerminalError,
    TransientError,
    quote,
)
from slipway_host.progress import within
from slipway_host.results import StageResult, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.applications import Applications
    from slipway_host.pods import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target
    from slipway_host.waiting import Changes

SILENT_S = 120.0
"""A controller that has not looked by then is down: a large repository's clone takes less."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do next: `done`, `wait`, `request` or `terminate`, and the line that says why."""

    action: str
    line: str


def decide(
    app: Application, *, synced: str, operated: str, request: str, seen: bool, terminate: bool = False
) -> Decision:
    """Return what an Application's state asks of us.

    Args:
        app: its state.
        synced: the revision with our commit that it was compared with, or nothing.
        operated: the revision with our commit that the latest operation applied, or nothing.
        request: the mark of our operation.
        seen: whether our operation was ever taken up.
        terminate: end the operation of somebody else.

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
    return Decision(action="request", line=f"asking Argo CD to sync ({app.summary()})")


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


class _Sync:
    """What a wait remembers from one look to the next."""

    def __init__(
        self,
        applications: Applications,
        target: Target,
        holds: Holds,
        run_id: str,
        report: Report,
        *,
        terminate: bool,
    ) -> None:
        self.terminate = terminate
        self.applications, self.target, self.holds, self.report = applications, target, holds, report
        self.run_id, self.request = run_id, uuid.uuid4().hex
        self.app: Application | None = None
        self.seen = False
        self.line = self.trouble = ""
        self.looks = 0
        self.asked: tuple[float, str] | None = None
        self.operations = 0

    async def step(self, commit: str) -> bool:
        """Look once and do what follows; return whether our commit is applied."""
        app = await waiting.patiently(self._read, self.report)
        self.app, self.looks = app, self.looks + 1
        self.seen = self.seen or app.taken_up(self.request)
        synced = await self.holds.one_of(app.revisions, self.report)
        operated = await self.holds.one_of(app.operated, self.report)
        decision = decide(
            app,
            synced=synced,
            operated=operated,
            request=self.request,
            seen=self.seen,
            terminate=self.terminate,
        )
        if decision.line != self.line:
            self.line = decision.line
            # What is done to somebody else's work is no state of a wait that may go unsaid.
            self.report(f"WARNING: {decision.line}" if decision.action == "terminate" else decision.line)
        if decision.action == "request":
            # A descendant is applied as it is: our commit alone would undo what came after it.
            revision = synced or operated or commit
            wanted = operation(app, revision=revision, request=self.request, run_id=self.run_id)
            await self._ask(app, self.applications.request(app, wanted))
            self.operations += 1
        elif decision.action == "terminate":
            await self._ask(app, self.applications.terminate(app))
        elif decision.action == "wait" and not self.asked:
            await self._ask(app, self.applications.refresh(app))
        return decision.action == "done"

    async def _read(self) -> Application:
        try:
            return await self.applications.read(self.target)
        except TransientError as error:
            self.trouble = error.cause
            raise

    async def _ask(self, app: Application, asking: Awaitable[None]) -> None:
        try:
            await asking
        except (ConflictError, TransientError) as error:
            # Moved since it was read, or perhaps applied after all: the next look tells.
            self.report(f"{error.cause}; reading {self.target.app} again")
            await anyio.sleep(waiting.SETTLE_S)
            return
        if not self.asked:
            self.asked = (anyio.current_time(), app.reconciled_at)

    def silent_s(self) -> float:
        """Return for how long the controller has left our refresh undone; 0 where it answered."""
        if not (self.asked and self.app and self.app.refreshing):
            return 0
        since, reconciled_at = self.asked
        return anyio.current_time() - since if self.app.reconciled_at == reconciled_at else 0

    def too_late(self, waited_s: float) -> DeadlineError:
        """Return the error that says what was missing in the end."""
        app, namespace = self.app, self.target.argocd_namespace
        if app is None:
            why = f": {self.trouble}" if self.trouble else ""
            return DeadlineError(f"{self.target.app} could not be read in {waited_s:g} s{why}")
        if self.silent_s():
            return DeadlineError(
                f"Argo CD's application controller does not answer: a refresh waits for "
                f"{self.silent_s():.0f} s, the last one was at {app.reconciled_at or 'no time'}",
                next_command=f"kubectl -n {namespace} get pods",
            )
        said = f"{app.summary()}; {app.complaints()}".rstrip("; ")
        if app.operation and not app.requested(self.request):
            since = app.last.get("startedAt", "a moment ago")
            return DeadlineError(
                f"a sync of {app.initiator} runs since {since}, and blocked ours for {waited_s:g} s ({said})",
                next_command=command("sync", f"--service={self.target.service}", "--terminate")
                + ", which ends it",
            )
        return DeadlineError(
            f"Argo CD did not apply the commit in {waited_s:g} s: {said}", next_command=app.command
        )


async def sync(
    applications: Applications,
    target: Target,
    *,
    commit: str,
    contains: Callable[[str], Awaitable[bool]],
    run_id: str,
    report: Report,
    deadline_s: float,
    silent_after_s: float = SILENT_S,
    terminate: bool = False,
) -> StageResult:
    """Return once Argo CD has applied `commit` or a descendant, and compared it as Synced (R12).

    Nothing is patched where that is so already. An operation of somebody else is waited for, never
    replaced; with `terminate` it is ended (fault 81). A commit that is applied already as part of a
    later one is not applied again.

    Raises:
        NotFoundError: no Application, or no Argo CD.
        TerminalError: the sync failed, or a sync window denies it.
        DeadlineError: the time ran out, or the controller left the request alone for
            `silent_after_s`.
    """
    wait = _Sync(applications, target, Holds(commit, contains), run_id, report, terminate=terminate)

    async def loop(changes: Changes) -> None:
        while not await wait.step(commit):
            if wait.silent_s() > silent_after_s:
                raise wait.too_late(silent_after_s)
            await changes.wait(min(waiting.RESYNC_S, silent_after_s))

    within(deadline_s)
    with anyio.move_on_after(deadline_s) as scope:
        await waiting.watching([partial(applications.changes, target)], loop, report)
    if scope.cancelled_caught or wait.app is None:
        raise wait.too_late(deadline_s)
    return StageResult(
        stage="sync",
        status=Status.SKIPPED if wait.looks == 1 else Status.SUCCEEDED,
        summary=wait.line,
        outputs={
            "application": target.app,
            "revision": await wait.holds.one_of(wait.app.revisions, report),
            "requested": wait.operations > 0,
        },
    )
