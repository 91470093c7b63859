"""One account at one cluster: requests put on threads, reads tried again, tokens renewed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from slipway_host import kube_config
from slipway_host.errors import ServiceUnavailableError, SettingsError
from slipway_host.kube_http import Json, Request, UnauthorizedError, fetch, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kubernetes.client import ApiClient
    from pydantic import SecretStr

T = TypeVar("T")
WRITE_S = 30.0
"""A write waits for admission webhooks, which may take 10 seconds each."""
ATTEMPTS = 4


async def again(act: Callable[[], Awaitable[T]]) -> T:
    """Act, a few times if the server is not there; for reads only."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(ServiceUnavailableError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=3),
        reraise=True,
    )
    return await retrying(act)


class Session:
    """An account's connection; `api` changes when its token is renewed."""

    def __init__(self, document: Json, api: ApiClient) -> None:
        self.api = api
        self._document = document

    @classmethod
    async def open(cls, kubeconfig: SecretStr, *, programs: bool) -> Session:
        """Return a session for the current context of a kubeconfig; runs its exec plugin.

        Raises:
            SettingsError: the file cannot be used, or its exec plugin is refused or not installed.
        """
        document = await anyio.to_thread.run_sync(kube_config.read_kubeconfig, kubeconfig)
        if not programs:
            kube_config.refuse_programs(document)
        return cls(document, await cls._loaded(document))

    @staticmethod
    async def _loaded(document: Json) -> ApiClient:
        try:
            with anyio.fail_after(WRITE_S):
                return await anyio.to_thread.run_sync(kube_config.load, document, abandon_on_cancel=True)
        except TimeoutError:
            raise SettingsError(
                f"the kubeconfig's program gave no credentials in {WRITE_S:g} s",
                next_command="kubectl auth whoami",
            ) from None

    async def close(self) -> None:
        """Close idle connections."""
        await anyio.to_thread.run_sync(self.api.close)

    async def authorized(self, act: Callable[[], Awaitable[T]]) -> T:
        """Act; on 401 read a token that may have been renewed, once (fault 93)."""
        try:
            return await act()
        except UnauthorizedError:
            if not {"exec", "tokenFile", "auth-provider"} & kube_config.account(self._document).keys():
                raise
            self.api = await self._loaded(self._document)
            return await act()

    async def answer(self, request: Request) -> bytes:
        """Return the body of a 2xx answer."""

        async def once() -> bytes:
            status, body = await anyio.to_thread.run_sync(fetch, self.api, request, abandon_on_cancel=True)
            if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's own classes
                raise refused(request, status, body)
            return body

        return await self.authorized(once)

    async def json(self, request: Request) -> Json:
        """Return the object that a 2xx answer holds."""
        body = await self.answer(request)
        try:
            document: Json = json.loads(body)
        except ValueError as error:
            raise ServiceUnavailableError(f"{request}: the answer is not JSON") from error
        return document
