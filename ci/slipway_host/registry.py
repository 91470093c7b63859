"""Asks any OCI registry: what a tag means, what the image says of itself, and whether we may push."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import ssl
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from slipway_host.errors import (
    AccessDeniedError,
    NotFoundError,
    ServiceUnavailableError,
    TerminalError,
    quote,
)
from slipway_host.remote_image import Layer, RemoteImage, Variant
from slipway_host.together import together

if TYPE_CHECKING:
    import httpx

    from slipway_host.settings import RegistrySettings

OK, ACCEPTED, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY = 200, 202, 401, 403, 404, 429
SERVER_ERROR = 500
TRIES = 5
RETRY_S = 60.0
"""For all tries together: a registry that asks for a longer pause is an error now (fault 24)."""
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
NO_PLATFORM = "unknown"
"""What an index calls the architecture of a manifest that is no image, like BuildKit's attestations."""
# https://distribution.github.io/distribution/spec/auth/token/
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_BACKOFF = wait_random_exponential(multiplier=0.2, max=5)


class _BusyError(ServiceUnavailableError):
    """The registry is there and wants to be asked later."""

    def __init__(self, cause: str, *, pause_s: float) -> None:
        super().__init__(cause)
        self.pause_s = pause_s


def _pause_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return max(_BACKOFF(state), error.pause_s if isinstance(error, _BusyError) else 0)


def _retry_after_s(answer: httpx.Response) -> float:
    """Return the pause that the registry asks for: a number of seconds or a date, 0 without one."""
    text = answer.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - dt.datetime.now(dt.UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


class RegistryClient:
    """One account at one registry; use as `async with`."""

    def __init__(self, settings: RegistrySettings) -> None:
        import httpx

        self._settings = settings
        # By scope: a token is good for one repository and what is done there, and for some minutes.
        self._tokens: dict[str, dict[str, str]] = {}
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
            tag: a tag or a digest, of an image or an index.

        Raises:
            AccessDeniedError: 401 or 403; the message names registry and user only.
            ServiceUnavailableError: no answer, 429 or 5xx, after a few tries.
            TerminalError: the bytes are not those that the digest names, or no image at all.
        """
        answer = await self._manifest(repository, tag)
        if answer is None:
            return None
        digest = self._digest(answer, answer.headers.get("Docker-Content-Digest", ""))
        document = self._json(answer)
        if "config" in document:
            return RemoteImage(digest=digest, variants=(await self._variant(repository, digest, document),))
        variants = [
            partial(self._of_index, repository, str(entry["digest"]))
            for entry in document.get("manifests") or []
            if (entry.get("platform") or {}).get("architecture") != NO_PLATFORM
        ]
        return RemoteImage(digest=digest, variants=tuple(await together(*variants)))

    async def try_push(self, repository: str) -> None:
        """See that the account may push: begin an upload, and give it up before it has a byte.

        Raises:
            AccessDeniedError: it may not; the message names registry and user only.
            NotFoundError: the registry makes no repository by itself (Amazon ECR, say).
            ServiceUnavailableError: no answer, 429 or 5xx.
        """
        path = f"/v2/{repository}/blobs/uploads/"
        answer = await self._send(path, repository, {}, method="POST")
        if answer.status_code == NOT_FOUND:
            raise NotFoundError(
                f"registry {self._settings.host} has no repository {repository}, and makes none by itself",
                next_command=f"create the repository {repository} there",
            )
        self._check(answer, path, expected=ACCEPTED)
        upload = answer.request.url.join(answer.headers.get("Location", ""))
        # Storage elsewhere gets no credentials; an upload that nobody goes on with ends by itself there.
        if upload.host == answer.request.url.host and upload.path != path:
            await self._send(str(upload), repository, {}, method="DELETE")

    async def _manifest(self, repository: str, reference: str) -> httpx.Response | None:
        accept = {"Accept": ", ".join(MANIFEST_TYPES)}
        return await self._get(f"/v2/{repository}/manifests/{reference}", repository, accept)

    async def _of_index(self, repository: str, digest: str) -> Variant:
        answer = await self._manifest(repository, digest)
        if answer is None:
            raise NotFoundError(
                f"registry {self._settings.host} has an index of {repository}, not its manifest {digest}"
            )
        self._digest(answer, digest)
        document = self._json(answer)
        if document.get("config") is None:
            raise TerminalError(f"registry {self._settings.host} has no image at {repository}@{digest}")
        return await self._variant(repository, digest, document)

    async def _variant(self, repository: str, digest: str, manifest: dict[str, Any]) -> Variant:
        image_id = str(manifest["config"]["digest"])
        blob = await self._get(f"/v2/{repository}/blobs/{image_id}", repository, {})
        if blob is None:
            raise NotFoundError(
                f"registry {self._settings.host} has the manifest of {repository}@{digest}, not its config"
            )
        self._digest(blob, image_id)
        said = self._json(blob)
        parts = (said.get("os"), said.get("architecture"), said.get("variant"))
        return Variant(
            platform="/".join(filter(None, parts)),
            digest=digest,
            image_id=image_id,
            labels=(said.get("config") or {}).get("Labels") or {},
            layers=tuple(
                Layer(digest=str(layer["digest"]), size=int(layer["size"]))
                for layer in manifest.get("layers") or []
            ),
        )

    def _digest(self, answer: httpx.Response, named: str) -> str:
        """Return the digest of what came; it is what it is, whatever a proxy on the way says (fault 29)."""
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        if named and named != digest:
            raise TerminalError(
                f"registry {self._settings.host} sent {digest} for {quote(named, limit=100)}: "
                "something on the way changes what it serves"
            )
        return digest

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            # A login page or a proxy's, most of the time.
            raise TerminalError(
                f"registry {self._settings.host} answered 200 without JSON: {quote(answer.text, limit=200)}"
            )
        return document

    async def _get(self, path: str, repository: str, headers: dict[str, str]) -> httpx.Response | None:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(ServiceUnavailableError),
            stop=stop_after_attempt(TRIES) | stop_before_delay(RETRY_S),
            wait=_pause_s,
            reraise=True,
        )
        return await retrying(self._once, path, repository, headers)

    async def _once(self, path: str, repository: str, headers: dict[str, str]) -> httpx.Response | None:
        answer = await self._send(path, repository, headers)
        if answer.status_code == NOT_FOUND:
            return None
        self._check(answer, path)
        return answer

    def _check(self, answer: httpx.Response, what: str, *, expected: int = OK) -> None:
        """Raise unless the answer is the expected; where it came from stays unsaid beyond the host."""
        status, host = answer.status_code, self._settings.host
        if status in {UNAUTHORIZED, FORBIDDEN}:
            raise AccessDeniedError(
                f"registry {host} refuses user {self._settings.username!r} ({status})",
                next_command="check REGISTRY_USERNAME and REGISTRY_PASSWORD, then run the same command",
            )
        if status == TOO_MANY or status >= SERVER_ERROR:
            pause_s = _retry_after_s(answer)
            asks = f" and asks for a pause of {pause_s:.0f} s" if pause_s else ""
            raise _BusyError(f"registry {host} answered {status}{asks}", pause_s=pause_s)
        if status != expected:
            raise TerminalError(f"registry {host} answered {status} to {what}")

    async def _send(
        self, path: str, repository: str, headers: dict[str, str], *, method: str = "GET"
    ) -> httpx.Response:
        """Return the answer; a token that is missing or too old is fetched, once (fault 26)."""
        import httpx

        scope = f"repository:{repository}:{'pull' if method == 'GET' else 'pull,push'}"
        known = self._tokens.get(scope, {})
        try:
            answer = await self._client.request(method, path, headers={**headers, **known})
            if answer.status_code == UNAUTHORIZED:
                fresh = await self._authorization(answer, scope)
                # A password that was refused once is not sent again (fault 23).
                if fresh != known:
                    self._tokens[scope] = fresh
                    answer = await self._client.request(method, path, headers={**headers, **fresh})
            if answer.has_redirect_location and method == "GET":
                # Blob storage elsewhere: our credentials stay here.
                answer = await self._client.get(answer.headers["Location"], headers=headers)
        except httpx.RequestError as error:
            what = f"registry {self._settings.host}"
            reason = quote(str(error), limit=200)
            if "CERTIFICATE_VERIFY_FAILED" in reason:
                raise TerminalError(
                    f"{what}: no certificate authority of this machine vouches for it: {reason}"
                ) from error
            raise ServiceUnavailableError(f"{what} does not answer: {reason}") from error
        return answer

    async def _authorization(self, answer: httpx.Response, scope: str) -> dict[str, str]:
        """Return the header that the answer, a 401, asks for: the account, or a token for it."""
        settings = self._settings
        pair = f"{settings.username}:{settings.password.get_secret_value()}".encode()
        basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        challenge = answer.headers.get("WWW-Authenticate", "")
        if not challenge.lower().startswith("bearer"):
            return basic
        fields = dict(CHALLENGE.findall(challenge))
        realm = fields.get("realm", "")
        if not realm.startswith("https://"):
            raise TerminalError(f"registry {settings.host} asks for its token over plain HTTP")
        said = await self._client.get(
            realm,
            params={"service": fields.get("service", ""), "scope": scope},
            headers=basic,
        )
        self._check(said, "the request for a token")
        document = self._json(said)
        token = document.get("token") or document.get("access_token")
        if not token:
            raise TerminalError(f"registry {settings.host} granted a token and sent none")
        return {"Authorization": f"Bearer {token}"}
