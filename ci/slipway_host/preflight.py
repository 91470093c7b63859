"""The look at everything that later stages need, before anything is changed."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from slipway_host import chart, git, gitops, holds, secrets, suspension
from slipway_host.caller import command
from slipway_host.errors import DeliveryError, NotFoundError
from slipway_host.results import StageResult, Status
from slipway_host.together import Once, together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from slipway_host.application import Application
    from slipway_host.applications import Applications
    from slipway_host.kube import KubeClient
    from slipway_host.settings import GitSettings, PostgresSettings, Target

STAGE = "preflight"


async def preflight(
    kube: KubeClient,
    applications: Applications,
    target: Target,
    git_settings: GitSettings,
    postgres_settings: PostgresSettings,
    *,
    server: Callable[[], Awaitable[object]],
    proposes: bool = True,
) -> StageResult:
    """Look at everything at once, so that one run shows everything that is missing.

    Args:
        kube: the cluster.
        applications: Argo CD's.
        target: the service.
        git_settings: the GitOps repository.
        postgres_settings: the PostgreSQL server.
        server: connects to it.
        proposes: whether this account is the one that opens pull requests.

    Raises:
        NotFoundError: no Application, no PostgreSQL pod, no branch or no values file.
        AccessDeniedError: a credential is refused.
        ConflictError: the Secret does not fit, the chart makes random ones, or automated sync is suspended.
        HeldError: a hold keeps this image, or every one, away.
    """
    look = _Look(kube, applications, target, git_settings, postgres_settings, server, proposes=proposes)
    failures: dict[int, DeliveryError] = {}
    looks = (look.application, look.database, look.repository, look.secret)

    async def one(index: int) -> str:
        try:
            return await looks[index]()
        except DeliveryError as error:
            failures[index] = error
            return ""

    said = await together(*(partial(one, index) for index in range(len(looks))))
    if failures:
        first, *others = (failures[index] for index in sorted(failures))
        first.cause = "; also: ".join([first.cause, *(error.cause for error in others)])
        raise first
    return StageResult(stage=STAGE, status=Status.SUCCEEDED, summary="; ".join(said))


class _Look:
    """The four looks; each returns what it has seen."""

    def __init__(
        self,
        kube: KubeClient,
        applications: Applications,
        target: Target,
        git_settings: GitSettings,
        postgres_settings: PostgresSettings,
        server: Callable[[], Awaitable[object]],
        *,
        proposes: bool,
    ) -> None:
        self._kube, self._target, self._server = kube, target, server
        self._proposes = proposes
        self._app = Once(partial(applications.read, target))
        self._git, self._postgres = git_settings, postgres_settings

    async def application(self) -> str:
        with self._made_by_preview():
            app = await self._app()
        suspension.refuse(app, service=self._target.service)
        return f"Argo CD has {self._target.app} ({app.summary()})"

    async def database(self) -> str:
        if self._target.database is None:
            return "no database is configured"
        await self._server()
        return "PostgreSQL answers"

    async def repository(self) -> str:
        async with git.clone(self._git) as copy:
            await copy.fetch()
            with self._made_by_preview():
                await copy.read([self._target.values])
            found = await holds.read(copy, self._target.values)
            holds.refuse(found, name=self._target.service, tag=self._target.tag)
            app = await self._application_if_any()
            if app is not None:
                await chart.refuse_random_secrets(copy, app)
        if self._proposes:
            await gitops.check_proposals(self._git)
        return f"{self._git.branch} of {copy.address} has {self._target.values}"

    async def secret(self) -> str:
        return await secrets.check_app_secret(self._kube, self._target, self._postgres)

    @contextmanager
    def _made_by_preview(self) -> Iterator[None]:
        """Name the command that makes what a preview lacks."""
        try:
            yield
        except NotFoundError as error:
            if self._target.preview_of:
                error.next_command = command("preview", f"--service={self._target.service}")
            raise

    async def _application_if_any(self) -> Application | None:
        try:
            return await self._app()
        except DeliveryError:
            # The other look says why.
            return None
