"""Pull requests of one repository, over GitHub's API or Gitea's.

Both name the same things in the same way as far as is needed here, so one client serves both: what differs
is the root of the API, and that Gitea answers 409 where GitHub answers 422.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from slipway_host.errors import AccessDeniedError, TerminalError, quote
from slipway_host.forge import Forge, TakenError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from slipway_host.settings import PullRequestSettings

PAGE = 50
PAGES = 40
"""Of open pull requests that are looked through: Gitea cannot filter by branch."""


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
        self._settings = settings
        self._path = f"/repos/{settings.owner}/{settings.repository}"
        self._forge = Forge(settings.url, token, what="pull request")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._forge.__aexit__()

    async def check(self) -> None:
        """See that the account may propose changes.

        Raises:
            AccessDeniedError: it may not.
            NotFoundError: the repository is not there, or hidden from it.
        """
        repository = await self._forge.call("GET", self._path)
        rights = repository.get("permissions") or {}
        if not rights.get("push", True):
            raise AccessDeniedError(f"the account at {self._forge.host} may not push to {self._name}")

    async def may_push(self, branch: str) -> bool | None:
        """Return whether the rules for a branch let the account push to it, None where the server keeps that.

        GitHub says that there are rules, and only to administrators whom they let through.
        """
        found = await self._forge.call("GET", f"{self._path}/branches/{branch}")
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
                made = await self._forge.call(
                    "POST", f"{self._path}/pulls", {**text, "head": head, "base": base}, taken=True
                )
            except TakenError as error:
                # Another run of the same deploy was quicker, or an answer of ours was lost.
                found = await self._find(head, base)
                if found is None:
                    raise TerminalError(error.cause) from error
            else:
                return _parsed(made)
        if (found.title, found.body) == (title, body):
            return found
        return _parsed(await self._forge.call("PATCH", f"{self._path}/pulls/{found.number}", text))

    async def read(self, number: int) -> PullRequest:
        """Return one pull request as it is now."""
        return _parsed(await self._forge.call("GET", f"{self._path}/pulls/{number}"))

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
            found = await self._forge.call("GET", f"{self._path}/pulls", query={**query, "page": page})
            for item in found:
                origin = (item["head"].get("repo") or {}).get("full_name", "")
                here = origin.lower() == self._name.lower()
                if here and (item["head"]["ref"], item["base"]["ref"]) == (head, base):
                    return _parsed(item)
            if not found:
                return None
        raise TerminalError(f"{self._name} has more than {PAGE * PAGES} open pull requests")


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
