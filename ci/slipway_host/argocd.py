"""Have Argo CD apply our commit, through its Application.

Relied on, from the controller's source (3.2): an operation exists for as long as `.operation` does,
and is requested by setting it and clearing `status.operationState`; a sync window leaves it Running
with a message; the refresh annotation goes once its comparison is stored.
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING

import anyio

from slipway_host import waiting
from slipway_host.application import Application, Holds
from slipway_host.caller import command
from slipway_host.errors import (
    ConflictError,
    DeadlineError,
    TransientError,
)
from slipway_host.progress import within
from slipway_host.results import StageResult, Status
from slipway_host.sync_decision import decide, operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.applications import Applications
    from slipway_host.progress import Report
    from slipway_host.settings import Target
    from slipway_host.waiting import Changes

SILENT_S = 120.0
"""A controller that has not looked by then is down: a large repository's clone takes less."""


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
        unchanged: bool,
    ) -> None:
        self.terminate, self.unchanged = terminate, unchanged
        self.applications, self.target, self.holds, self.report = applications, target, holds, report
        self.run_id, self.request = run_id, uuid.uuid4().hex
        self.app: Application | None = None
        self.seen = False
        self.line = self.trouble = ""
        self.looks = 0
        self.asked: tuple[float, str] | None = None
        self.operations = 0
        self.last_at = ""

    async def step(self, commit: str) -> bool:
        """Look once and do what follows; return whether our commit is applied."""
        app = await waiting.patiently(self._read, self.report)
        self.app, self.looks = app, self.looks + 1
        if self.looks == 1:
            self.last_at = str(app.last.get("startedAt", ""))
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
            # The mark of a refresh goes once its comparison is stored.
            compare=self.unchanged and (self.asked is None or app.refreshing),
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

    @property
    def idle(self) -> bool:
        """Whether nothing was applied: it was in place at the first look, or at the first comparison."""
        applied = self.operations or (self.app and str(self.app.last.get("startedAt", "")) != self.last_at)
        return self.looks == 1 or (self.unchanged and not applied)

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
    unchanged: bool = False,
) -> StageResult:
    """Return once Argo CD has applied `commit` or a descendant, and compared it as Synced (R12).

    Nothing is patched where that is so already, and nothing is applied where a run that is `unchanged` (it
    has committed nothing) finds that others' commits are about something else. An operation of somebody else
    is waited for, never replaced; with `terminate` it is ended (fault 81). A commit that is applied already
    as part of a later one is not applied again.

    Raises:
        NotFoundError: no Application, or no Argo CD.
        TerminalError: the sync failed, or a sync window denies it.
        DeadlineError: the time ran out, or the controller left the request alone for
            `silent_after_s`.
    """
    wait = _Sync(
        applications,
        target,
        Holds(commit, contains),
        run_id,
        report,
        terminate=terminate,
        unchanged=unchanged,
    )

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
        status=Status.SKIPPED if wait.idle else Status.SUCCEEDED,
        summary=wait.line,
        outputs={
            "application": target.app,
            "revision": await wait.holds.one_of(wait.app.revisions, report),
            "requested": wait.operations > 0,
        },
    )
