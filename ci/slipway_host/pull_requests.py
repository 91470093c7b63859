"""Pull requests of one repository, over GitHub's API or Gitea's.

Both name the same things in the same way as far as is needed here, so one client serves both: what differs
is the root of the API, and that Gitea answers 409 where GitHub answers 422.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from slipway_host.errors import (
    AccessDeniedError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    quote,
)

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

    from slipway_host.settings import PullRequestSettings

TIMEOUT_S = 20
TRIES = 4
PAGE = 50
PAGES = 40
"""Of open pull requests that are looked through: Gitea cannot filter by branch."""
_BACKOFF = wait_random_exponential(multiplier=0.2, max=3)
_TAKEN = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """One pull request.

    Args:
        number: its number in the repository.
        url: where people find it.
        title: its title.
        body: its text.
        state: `open` or `closed`.
        merged: whether it was closed by a merge.
        merge_commit: full hash of the merge, once there is one.
    """

    number: int
    url: str
    title: str
    body: str
    state: str
    merged: bool
    merge_commit: str


class PullRequestClient:
    """One account's view of one repository; use as `async with`."""

    def __init__(self, settings: PullRequestSettings, token: SecretStr) -> None:
        import httpx

        self._settings = settings
        self._host = httpx.URL(settings.url).host
        self._path = f"/repos/{settings.owner}/{settings.repository}"
        self._client: httpx.AsyncClient = httpx.AsyncClient(
            base_url=settings.url,
            # The system's authorities: a private server's own is installed there, not in certifi's list.
            verify=ssl.create_default_context(),
            timeout=TIMEOUT_S,
            # A token is for the host that it was given for.
            follow_redirects=False,
            headers={
                "Accept": "application/vnd.github+json, application/json;q=0.9",
                "Authorization": f"Bearer {token.get_secret_value()}",
                "User-Agent": "slipway",
            },
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._client.aclose()

    async def check(self) -> None:
        """See that the account may propose changes.

        Raises:
            AccessDeniedError: it may not.
            NotFoundError: the repository is not there, or hidden from it.
        """
        repository = await self._call("GET", self._path)
        rights = repository.get("permissions") or {}
        if not rights.get("push", True):
            raise AccessDeniedError(f"the account at {self._host} may not push to {self._name}")

    async def may_push(self, branch: str) -> bool | None:
        """Return whether the rules for a branch let the account push to it, None where the server keeps that.

        GitHub says that there are rules, and only to administrators whom they let through.
        """
        found = await self._call("GET", f"{self._path}/branches/{branch}")
        if "user_can_push" in found:
            return bool(found["user_can_push"])
        return None if found.get("protected") else True

    async def ensure(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Return the open pull request of a branch, made or brought up to date as needed.

        Args:
            head: the branch that is proposed.
            base: the branch that is to take it.
            title: one line.
            body: Markdown.
        """
        text = {"title": title, "body": body}
        found = await self._find(head, base)
        if found is None:
            try:
                made = await self._call(
                    "POST", f"{self._path}/pulls", {**text, "head": head, "base": base}, taken=True
                )
            except _TakenError as error:
                # Another run of the same deploy was quicker, or an answer of ours was lost.
                found = await self._find(head, base)
                if found is None:
                    raise TerminalError(error.cause) from error
            else:
                return _parsed(made)
        if (found.title, found.body) == (title, body):
            return found
        return _parsed(await self._call("PATCH", f"{self._path}/pulls/{found.number}", text))

    async def read(self, number: int) -> PullRequest:
        """Return one pull request as it is now."""
        return _parsed(await self._call("GET", f"{self._path}/pulls/{number}"))

    @property
    def _name(self) -> str:
        return f"{self._settings.owner}/{self._settings.repository}"

    async def _find(self, head: str, base: str) -> PullRequest | None:
        # GitHub filters by `head`, Gitea lists all; each knows its own name for the page's size.
        query: dict[str, Any] = {
            "state": "open",
            "head": f"{self._settings.owner}:{head}",
            "base": base,
            "base_branch": base,
            "per_page": PAGE,
            "limit": PAGE,
        }
        for page in range(1, PAGES + 1):
            found = await self._call("GET", f"{self._path}/pulls", query={**query, "page": page})
            for item in found:
                origin = (item["head"].get("repo") or {}).get("full_name", "")
                here = origin.lower() == self._name.lower()
                if here and (item["head"]["ref"], item["base"]["ref"]) == (head, base):
                    return _parsed(item)
            if not found:
                return None
        raise TerminalError(f"{self._name} has more than {PAGE * PAGES} open pull requests")

    async def _call(
        self,
        method: str,
        path: str,
        document: dict[str, str] | None = None,
        *,
        query: dict[str, Any] | None = None,
        taken: bool = False,
    ) -> Any:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(ServiceUnavailableError),
            wait=_BACKOFF,
            stop=stop_after_attempt(TRIES),
            reraise=True,
        ):
            with attempt:
                return await self._once(method, path, document, query, taken=taken)
        raise AssertionError("the last try returns or raises")

    async def _once(
        self,
        method: str,
        path: str,
        document: dict[str, str] | None,
        query: dict[str, Any] | None,
        *,
        taken: bool,
    ) -> Any:
        import httpx

        try:
            answer = await self._client.request(method, path.lstrip("/"), json=document, params=query)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            what = quote(str(error) or type(error).__name__, limit=200)
            # A wrong certificate comes as a failed connection: trying again would not make it right.
            kind = TerminalError if "CERTIFICATE" in what.upper() else ServiceUnavailableError
            raise kind(f"{self._host} does not answer: {what}") from error
        if answer.is_success:
            try:
                return answer.json()
            except ValueError as error:
                raise SettingsError(
                    f"{self._host} answers {method} {path} with something else than JSON: is "
                    f"{self._settings.url} the address of its API?"
                ) from error
        raise self._explain(answer, path, taken=taken)

    def _explain(self, answer: httpx.Response, path: str, *, taken: bool) -> Exception:
        status = answer.status_code
        said = quote(answer.text, limit=200)
        limited = status == HTTPStatus.FORBIDDEN and answer.headers.get("x-ratelimit-remaining") == "0"
        error: Exception
        if limited or status == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error:
            error = ServiceUnavailableError(f"{self._host} answers {status}: {said}")
        elif status == HTTPStatus.UNAUTHORIZED:
            error = AccessDeniedError(f"{self._host} does not accept the token ({status})")
        elif status == HTTPStatus.FORBIDDEN:
            error = AccessDeniedError(f"the token may not use {path} at {self._host}: {said}")
        elif status == HTTPStatus.NOT_FOUND:
            error = NotFoundError(f"{self._host} has no {path}, or the token may not see it")
        elif answer.is_redirect:
            error = SettingsError(f"{self._host} redirects {path}: configure the address that it leads to")
        elif taken and status in _TAKEN:
            error = _TakenError(f"{self._host} refuses the pull request: {said}")
        else:
            error = TerminalError(f"{self._host} answers {status} to {path}: {said}")
        return error


class _TakenError(TerminalError):
    """The server says that there is such a pull request, or that there cannot be one."""


def _parsed(item: dict[str, Any]) -> PullRequest:
    merged = bool(item.get("merged") or item.get("merged_at"))
    return PullRequest(
        number=int(item["number"]),
        url=quote(str(item["html_url"]), limit=300),
        title=str(item["title"]),
        # GitHub gives line ends back as they are in its database.
        body=str(item.get("body") or "").replace("\r\n", "\n"),
        state=str(item["state"]),
        merged=merged,
        # Of an open one, this is GitHub's trial merge.
        merge_commit=str(item.get("merge_commit_sha") or "") if merged else "",
    )
