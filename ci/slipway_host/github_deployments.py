"""Deployments as GitHub shows them at a repository: one for each run, with the state that it is in.

https://docs.github.com/en/rest/deployments
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from slipway_host.forge import Forge
from slipway_host.http_api import retrying

if TYPE_CHECKING:
    from pydantic import SecretStr

State = Literal["in_progress", "success", "failure", "error", "pending"]
DESCRIPTION = 140
"""Characters that GitHub takes of a status's description."""


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings:
    """Where the services' repository is.

    Args:
        url: root of the API, `https://api.github.com`.
        owner: owner of the repository.
        repository: its name.
    """

    url: str
    owner: str
    repository: str


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One run, as GitHub is told of it.

    Args:
        commit: full hash of what is deployed.
        environment: its name.
        task: `deploy` or `rollback`.
        run: the run's id, by which it is found again.
        production: users depend on this environment.
    """

    commit: str
    environment: str
    task: str
    run: str
    production: bool


class DeploymentClient:
    """One account's view of one repository's deployments; use as `async with`."""

    def __init__(self, settings: DeploymentSettings, token: SecretStr) -> None:
        self._path = f"/repos/{settings.owner}/{settings.repository}/deployments"
        self._forge = Forge(settings.url, token, what="deployment")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._forge.__aexit__()

    async def ensure(self, wanted: Deployment) -> int:
        """Return the id of a run's deployment, which is made where there is none yet.

        Raises:
            DeliveryError: the token may not, or the server does not answer.
        """
        async for attempt in retrying():
            with attempt:
                # Looked for before each try: the answer to the last one may have been lost.
                found = await self._find(wanted)
                return found if found is not None else await self._make(wanted)
        raise AssertionError("the last try returns or raises")

    async def set(
        self, number: int, state: State, *, description: str, log_url: str = "", environment_url: str = ""
    ) -> None:
        """Give a deployment its newest state.

        Args:
            number: the deployment's id.
            state: the state.
            description: one line, cut to what GitHub takes.
            log_url: where the run's log is, or "".
            environment_url: where what was deployed is, or "".
        """
        cut = description if len(description) <= DESCRIPTION else f"{description[: DESCRIPTION - 1]}…"
        links = {"log_url": log_url, "environment_url": environment_url}
        document = {"state": state, "description": cut, **{name: url for name, url in links.items() if url}}
        await self._forge.call("POST", f"{self._path}/{number}/statuses", document)

    async def _find(self, wanted: Deployment) -> int | None:
        query = {"sha": wanted.commit, "task": wanted.task, "environment": wanted.environment}
        for item in await self._forge.once("GET", self._path, query=query):
            payload = item.get("payload")
            if isinstance(payload, dict) and payload.get("run") == wanted.run:
                return int(item["id"])
        return None

    async def _make(self, wanted: Deployment) -> int:
        document: dict[str, Any] = {
            "ref": wanted.commit,
            "task": wanted.task,
            "environment": wanted.environment,
            "description": f"Slipway run {wanted.run}",
            "payload": {"run": wanted.run},
            # By default GitHub merges the default branch into what is deployed, and waits for checks.
            "auto_merge": False,
            "required_contexts": [],
            "production_environment": wanted.production,
        }
        made = await self._forge.once("POST", self._path, document)
        return int(made["id"])
