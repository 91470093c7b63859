"""Argo CD's Applications through its own server, for an account without any right on them in the cluster.

Differences that the server makes: it takes no revision for an Application with automated sync, but applies
the branch's newest commit; a patch of it is refused while its repository cannot be read, and is merged into
what is there now, whatever was read before.
"""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import anyio

from slipway_host.application import Application
from slipway_host.argocd_server import ArgoCDServer, DeniedError, SyncWindowError
from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pydantic import SecretStr

    from slipway_host.pods import Json
    from slipway_host.settings import Target

POLL_S = 1.0
"""How often a wait looks. The server can stream changes as well, as far as each proxy before it lets it."""
REFRESH_S = 5.0
"""The server answers a refresh when it is done; that it was asked for is known at once, and does not wait."""


class ServerApplications:
    """Applications as an account of Argo CD may see and change them.

    All questions of a run share its connections: a wait looks each second, and would else make a new one for
    each look. Who has asked anything has to `close` in the end.

    Args:
        url: address of the server.
        ca: certificates in PEM form that vouch for it; None for the system's own.
        token: gives the account's token, and says only then that it is not given.
    """

    def __init__(self, url: str, ca: str | None, token: Callable[[], Awaitable[SecretStr]]) -> None:
        self._url, self._ca, self._token = url, ca, token
        self._server: ArgoCDServer | None = None
        self._connecting = anyio.Lock()
        self.secrets: tuple[SecretStr, ...] = ()

    async def server(self) -> ArgoCDServer:
        """Return the account at the server, the same until `close`.

        Raises:
            SettingsError: no token is given, or the authority is no certificate.
        """
        async with self._connecting:
            if self._server is None:
                token = await self._token()
                self.secrets = (token,)
                try:
                    trust = ssl.create_default_context(cadata=self._ca)
                except ssl.SSLError as error:
                    raise SettingsError(
                        "argocd.ca in slipway.yaml holds no certificate in PEM form"
                    ) from error
                self._server = ArgoCDServer(self._url, token, trust=trust)
            return self._server

    async def close(self) -> None:
        """Close the connections; whoever asks later gets new ones."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    async def read(self, target: Target) -> Application:
        """Return the service's Application; the server does not tell one that is missing from a hidden one.

        Raises:
            DeniedError: there is none, or the account may not see it.
        """
        return await self._read(target.argocd_namespace, target.app)

    async def find(self, namespace: str, name: str) -> Application | None:
        """Return an Application by its name.

        Raises:
            DeniedError: there is none, or the account may not see it.
        """
        return await self._read(namespace, name)

    async def windows(self, app: Application) -> list[Json] | None:
        """Return the sync windows, which who may see the Application may see."""
        server = await self.server()
        found = await server.get(f"{_path(app.name)}/syncwindows", appNamespace=app.namespace)
        return list(found.get("assignedWindows") or [])

    async def refresh(self, app: Application) -> None:
        """Ask for a comparison, which needs no more than the right to read."""
        server = await self.server()
        with anyio.move_on_after(REFRESH_S):
            await server.get(_path(app.name), appNamespace=app.namespace, refresh="normal")

    async def request(self, app: Application, operation: Json) -> None:
        """Request a sync, and a comparison.

        Raises:
            SyncWindowError: a window denies it; unlike the controller, the server keeps no such request.
        """
        sync = operation["sync"]
        body = {
            "appNamespace": app.namespace,
            "prune": sync["prune"],
            "strategy": sync["syncStrategy"],
            "infos": operation["info"],
            **({"revision": sync["revision"]} if "revision" in sync and not app.automated else {}),
            **({"syncOptions": {"items": sync["syncOptions"]}} if "syncOptions" in sync else {}),
            **({"retryStrategy": operation["retry"]} if "retry" in operation else {}),
        }
        server = await self.server()
        try:
            await server.post(f"{_path(app.name)}/sync", body)
        except SyncWindowError as error:
            raise SyncWindowError(
                f"a sync window of the project denies the sync: {error.cause}; Argo CD keeps no "
                "request, so sync again once the window allows",
                next_command=app.project_command,
            ) from error
        await self.refresh(app)

    async def terminate(self, app: Application) -> None:
        """End the operation that runs."""
        server = await self.server()
        await server.delete(f"{_path(app.name)}/operation", appNamespace=app.namespace)

    async def change(self, app: Application, patch: Json) -> None:
        """Merge a patch of annotations and sync policy."""
        body = {"appNamespace": app.namespace, "patchType": "merge", "patch": json.dumps(patch)}
        server = await self.server()
        await server.patch(_path(app.name), body)

    async def changes(self, _target: Target) -> AsyncIterator[object]:
        """Yield at each time to look again."""
        while True:
            await anyio.sleep(POLL_S)
            yield None

    async def _read(self, namespace: str, name: str) -> Application:
        server = await self.server()
        try:
            body = await server.get(_path(name), appNamespace=namespace)
        except DeniedError as error:
            raise DeniedError(
                f"Argo CD at {server.host} shows this account no Application {name} in namespace "
                f"{namespace}: there is none, or the account has no right to get it",
                next_command=error.next_command,
            ) from error
        return Application(body, server.host)


def _path(name: str) -> str:
    return f"api/v1/applications/{name}"
