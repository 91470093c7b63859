"""Reads image references from any OCI registry: what a tag means, and what the image says of itself."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from slipway_host.errors import (
    AccessDeniedError,
    NotFoundError,
    ServiceUnavailableError,
    TerminalError,
    quote,
)

if TYPE_CHECKING:
    import httpx

    from slipway_host.settings import RegistrySettings

OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY = 200, 401, 403, 404, 429
SERVER_ERROR = 500
TRIES = 5
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
# https://distribution.github.io/distribution/spec/auth/token/
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class RemoteImage:
    """An image as the registry has it.

    Args:
        digest: the manifest's digest, `sha256:` and 64 hexadecimal characters.
        image_id: the image config's digest; the same image has the same one everywhere.
        labels: OCI labels of the image config.
    """

    digest: str
    image_id: str
    labels: dict[str, str] = field(default_factory=dict)


class RegistryClient:
    """One account at one registry; use as `async with`."""

    def __init__(self, settings: RegistrySettings) -> None:
        import httpx

        self._settings = settings
        self._token: dict[str, str] = {}
        # The system's authorities: a private registry's own is installed there, not in certifi's list.
        self._client: httpx.AsyncClient = httpx.AsyncClient(
            base_url=f"https://{settings.host}",
            verify=ssl.create_default_context(),
            timeout=30,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._client.aclose()

    async def find(self, repository: str, tag: str) -> RemoteImage | None:
        """Return the image behind a tag, or None where the registry has no such tag.

        Args:
            repository: path without the host, `namespace/name`.
            tag: a tag or a digest.

        Raises:
            AccessDeniedError: 401 or 403; the message names registry and user only.
            ServiceUnavailableError: no answer, 429 or 5xx, after a few tries.
        """
        accept = {"Accept": ", ".join(MANIFEST_TYPES)}
        answer = await self._get(f"/v2/{repository}/manifests/{tag}", repository, accept)
        if answer is None:
            return None
        digest = answer.headers.get("Docker-Content-Digest", "")
        manifest: dict[str, Any] = answer.json()
        config = manifest.get("config")
        if not digest or config is None:
            # An index has no config of its own: the digest is what counts.
            return RemoteImage(digest=digest, image_id="")
        blob = await self._get(f"/v2/{repository}/blobs/{config['digest']}", repository, {})
        if blob is None:
            raise NotFoundError(
                f"registry {self._settings.host} has the manifest of {repository}:{tag}, not its config"
            )
        labels = blob.json().get("config", {}).get("Labels") or {}
        return RemoteImage(digest=digest, image_id=config["digest"], labels=labels)

    async def _get(self, path: str, repository: str, headers: dict[str, str]) -> httpx.Response | None:
        from tenacity import (
            AsyncRetrying,
            retry_if_exception_type,
            stop_after_attempt,
            wait_random_exponential,
        )

        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(ServiceUnavailableError),
            stop=stop_after_attempt(TRIES),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            reraise=True,
        ):
            with attempt:
                return await self._once(path, repository, headers)
        raise AssertionError("tenacity returns or raises")

    async def _once(self, path: str, repository: str, headers: dict[str, str]) -> httpx.Response | None:
        import httpx

        host, user = self._settings.host, self._settings.username
        try:
            answer = await self._client.get(path, headers={**headers, **self._token})
            if answer.status_code == UNAUTHORIZED and not self._token:
                await self._authenticate(answer, repository)
                answer = await self._client.get(path, headers={**headers, **self._token})
            if answer.is_redirect:
                # Blob storage elsewhere: our credentials stay here.
                answer = await self._client.get(answer.headers["Location"], headers=headers)
        except httpx.TransportError as error:
            raise ServiceUnavailableError(
                f"registry {host} does not answer: {quote(str(error), limit=200)}"
            ) from error
        if answer.status_code == OK:
            return answer
        if answer.status_code == NOT_FOUND:
            return None
        if answer.status_code in {UNAUTHORIZED, FORBIDDEN}:
            raise AccessDeniedError(
                f"registry {host} refuses user {user!r} ({answer.status_code})",
                next_command="check REGISTRY_USERNAME and REGISTRY_PASSWORD, then run the same command",
            )
        if answer.status_code == TOO_MANY or answer.status_code >= SERVER_ERROR:
            raise ServiceUnavailableError(f"registry {host} answered {answer.status_code}")
        raise TerminalError(f"registry {host} answered {answer.status_code} to {path}")

    async def _authenticate(self, answer: httpx.Response, repository: str) -> None:
        import base64

        settings = self._settings
        pair = f"{settings.username}:{settings.password.get_secret_value()}".encode()
        basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        challenge = answer.headers.get("WWW-Authenticate", "")
        if not challenge.lower().startswith("bearer"):
            self._token = basic
            return
        fields = dict(CHALLENGE.findall(challenge))
        realm = fields.get("realm", "")
        if not realm.startswith("https://"):
            raise TerminalError(f"registry {settings.host} asks for its token over plain HTTP")
        said = await self._client.get(
            realm,
            params={"service": fields.get("service", ""), "scope": f"repository:{repository}:pull"},
            headers=basic,
        )
        if said.status_code != OK:
            raise AccessDeniedError(
                f"registry {settings.host} refuses user {settings.username!r} ({said.status_code})",
                next_command="check REGISTRY_USERNAME and REGISTRY_PASSWORD, then run the same command",
            )
        token = said.json().get("token") or said.json().get("access_token")
        self._token = {"Authorization": f"Bearer {token}"}
