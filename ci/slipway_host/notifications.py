"""Tells others how a run goes, by webhook and at GitHub; that it cannot costs a warning and nothing else."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio

from slipway_host import announcement, targets, webhook
from slipway_host.environments import PROD
from slipway_host.errors import DeliveryError, MovedError, SettingsError
from slipway_host.github_deployments import Deployment, DeploymentClient, DeploymentSettings, State
from slipway_host.recipients import Recipients
from slipway_host.run import instant
from slipway_host.together import together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from pydantic import SecretStr

    from slipway_host.call import Call
    from slipway_host.notices import Notifications
    from slipway_host.progress import Report

DEADLINE_S = 5.0
"""For everything that is told at one moment: a run is never delayed for longer."""
# A receipt knows short revisions, too; GitHub's deployments are of a whole one.
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One run, as far as it is known at its beginning.

    Args:
        run: its id.
        environment: the environment's name.
        commit: full hash of what is deployed, or "" while that is not known.
        source: address of the services' repository, or "".
        services: what the run is about.
        task: `deploy` or `rollback`.
    """

    run: str
    environment: str
    commit: str
    source: str
    services: Sequence[str]
    task: str = "deploy"


@dataclass(kw_only=True)
class Teller:
    """Tells of one run; `document` is its receipt, as soon as there is one.

    A run of a saved plan is none while the plan is `unchecked`: whoever finds that it holds calls `begin`,
    and of a plan that is refused nobody is told.
    """

    notice: Notice
    wanted: Notifications
    recipients: Recipients
    report: Report
    unchecked: bool = False
    document: Mapping[str, Any] | None = None
    _began: str = field(default_factory=instant)
    _number: int | None = None
    _refusing: bool = False

    async def begin(self) -> None:
        """Show at GitHub that the run is under way, where its commit is known by now."""
        self.unchecked = False
        if self.wanted.github and self.notice.commit and self.notice.services:
            show = partial(self._show, self.notice.commit)
            self._refusing = not await self._safely("GitHub was not told of this run", show)

    async def end(self, error: BaseException | None = None) -> None:
        """Tell how the run ended.

        Args:
            error: what ended it before there was a receipt.
        """
        if isinstance(error, MovedError) and self.unchecked:
            return
        document = self.document or self._refused(error)
        tell = []
        services = announcement.concerned(document, self.wanted.events)
        if self.recipients.webhook and services:
            post = partial(self._post, self.recipients.webhook, document, services)
            tell.append(partial(self._safely, "the webhook was not told", post))
        commit = str(document["commit"])
        # What did not take the beginning is not asked again; what was never asked has no commit so far.
        if self.wanted.github and commit and self.notice.services and not self._refusing:
            settle = partial(self._settle, commit, document, error)
            tell.append(partial(self._safely, "GitHub was not told how this run ended", settle))
        # A run that is being cancelled still says so.
        with anyio.CancelScope(shield=True):
            await together(*tell)

    async def _show(self, commit: str) -> None:
        notice = self.notice
        wanted = Deployment(
            commit=commit,
            environment=notice.environment,
            task=notice.task,
            run=notice.run,
            production=notice.environment == PROD,
        )
        async with self._client(commit) as client:
            number = self._number = await client.ensure(wanted)
            names = ", ".join(notice.services)
            await client.set(number, "in_progress", description=names, log_url=self.recipients.run_url)

    async def _settle(self, commit: str, document: Mapping[str, Any], error: BaseException | None) -> None:
        if self._number is None:
            await self._show(commit)
        assert self._number is not None  # noqa: S101 - by _show()
        state, said = announcement.outcome(document)
        if error is not None and not isinstance(error, DeliveryError):
            state, said = "error", "ended by a defect or an interruption"
        async with self._client(commit) as client:
            await client.set(
                self._number,
                cast("State", state),
                description=said,
                log_url=self.recipients.run_url,
                environment_url=self.wanted.url or "",
            )

    async def _post(
        self, url: SecretStr, document: Mapping[str, Any], services: list[Mapping[str, Any]]
    ) -> None:
        make = announcement.message if self.wanted.format == "slack" else announcement.facts
        told = make(document, services, run_url=self.recipients.run_url, url=self.wanted.url or "")
        await webhook.send(url, announcement.body(told), key=self.recipients.key)

    def _client(self, commit: str) -> DeploymentClient:
        if self.recipients.token is None:
            raise SettingsError("neither DEPLOYMENTS_TOKEN nor GH_PAT is given")
        if not COMMIT.fullmatch(commit):
            raise SettingsError(f"{commit[:40]!r} is no full commit")
        url, owner, name = targets.github_repository(self.notice.source)
        return DeploymentClient(
            DeploymentSettings(url=url, owner=owner, repository=name), self.recipients.token
        )

    def _refused(self, error: BaseException | None) -> dict[str, Any]:
        notice = self.notice
        document = {
            "run": notice.run,
            "environment": notice.environment,
            "commit": notice.commit,
            "tag": notice.commit[:8],
            "source": notice.source,
            "startedAt": self._began,
            "finishedAt": instant(),
        }
        # What is no expected error may hold anything.
        cause = str(error) if isinstance(error, DeliveryError) else "interrupted, or a defect of Slipway"
        return announcement.refused(document, notice.services, cause)

    async def _safely(self, what: str, call: Callable[[], Awaitable[None]]) -> bool:
        try:
            with anyio.fail_after(DEADLINE_S):
                await call()
        except DeliveryError as error:
            cause = error.cause
        except TimeoutError:
            cause = f"no answer within {DEADLINE_S:g} s"
        except Exception as error:  # noqa: BLE001 - never ends the run, and may say the address
            cause = f"a defect of Slipway: {type(error).__name__}"
        else:
            return True
        self.report(f"WARNING: {what}: {cause}")
        return False


@asynccontextmanager
async def telling(
    call: Call, *, commit: str, task: str = "deploy", planned: bool = False
) -> AsyncIterator[Teller]:
    """Tell those whom a call names of the run that happens inside; the receipt belongs in `document`.

    What is wrong with them is told itself, and stops nothing.

    Args:
        call: the services.
        commit: full hash of what is deployed, or "" while that is not known.
        task: `deploy` or `rollback`.
        planned: it is the run of a saved plan, which has to `begin`.
    """
    recipients = Recipients()
    try:
        recipients = await call.recipients()
    except DeliveryError as error:
        call.report(f"WARNING: nobody is told of this run: {error.cause}")
    notice = Notice(
        run=call.run_id,
        environment=call.environment,
        commit=commit,
        source=call.source_url,
        services=[target.service for target in call.targets],
        task=task,
    )
    wanted = call.config.environment(call.environment).notifications
    teller = Teller(
        notice=notice, wanted=wanted, recipients=recipients, report=call.report, unchecked=planned
    )
    async with told(teller):
        yield teller


@asynccontextmanager
async def told(teller: Teller) -> AsyncIterator[Teller]:
    """Tell others of the run that happens inside, whichever way it ends."""
    try:
        if not teller.unchecked:
            await teller.begin()
        yield teller
    except BaseException as error:
        await teller.end(error)
        raise
    await teller.end()
