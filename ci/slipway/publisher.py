"""Pushes an image, and judges by the registry itself whether it arrived."""

import re
from typing import TYPE_CHECKING

import dagger

from slipway.inputs import say
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    ServiceUnavailableError,
    TerminalError,
    quote,
)
from slipway_host.results import StageResult, Status

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from slipway.images import Image
    from slipway.work import Work

TRIES = 5
LONGEST_PAUSE_S = 20
# The engine hands the registry's answer on as words; these are of the status codes and of Go's net package.
_DENIED = re.compile(
    r"\b40[13]\b|unauthorized|forbidden|denied|insufficient_scope|authentication required", re.IGNORECASE
)
_UNAVAILABLE = re.compile(
    r"\b(429|5\d\d)\b|too many requests|toomanyrequests|timeout|timed out|reset by peer|broken pipe|\bEOF\b"
    r"|connection refused|no such host|unavailable|server error",
    re.IGNORECASE,
)
_QUERY = re.compile(r"\?[^\s\"]+")


async def publish_all(work: "Work", image: "Image") -> StageResult:
    """Push an image under its tag, and as `latest` where the environment wants that (R2).

    Raises:
        AccessDeniedError: the account may not push there.
        ConflictError: the registry has something else under the tag now than what was pushed.
        TerminalError: the registry refused it for another reason.
        ServiceUnavailableError: it did not answer well in `TRIES` tries.
    """
    digest = await _persistently(work, image, work.checkout.tag, "")
    there = await work.pushed()
    if there is None or there.digest != digest:
        raise ConflictError(
            f"{work.address} was pushed as {digest} and is {there.digest if there else 'absent'} now",
            next_command="run the same command: somebody else may have pushed at the same time",
        )
    tags = [work.checkout.tag]
    if work.environment.latest:
        await _persistently(work, image, "latest", digest)
        tags.append("latest")
    return StageResult(
        stage="push",
        status=Status.SUCCEEDED,
        summary=f"{work.address}, digest {digest[:19]}…",
        outputs={**there.document(), "tags": tags},
    )


async def _persistently(work: "Work", image: "Image", tag: str, digest: str) -> str:
    """Push one tag, again where trying again can help (faults 22 to 27); return the digest."""
    from tenacity import (
        AsyncRetrying,
        retry_if_exception_type,
        stop_after_attempt,
        wait_random_exponential,
    )

    def tell(state: "RetryCallState") -> None:
        error = state.outcome.exception() if state.outcome else None
        say(f"{work.name} push: {error}; trying again in {state.upcoming_sleep:.0f} s")

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(ServiceUnavailableError),
        stop=stop_after_attempt(TRIES),
        wait=wait_random_exponential(multiplier=1, max=LONGEST_PAUSE_S),
        before_sleep=tell,
        reraise=True,
    )
    return await retrying(_once, work, image, tag, digest)


async def _once(work: "Work", image: "Image", tag: str, digest: str) -> str:
    settings, address = await work.registry(), f"{work.target.repository}:{tag}"
    password = work.secret("registry_password")
    try:
        return await image.publish(address, host=settings.host, username=settings.username, password=password)
    except dagger.QueryError as error:
        words = str(error)
        if not _DENIED.search(words):
            # The answer may have been lost and not the push (fault 27).
            there = await work.tagged(tag)
            if there and (there.digest == digest if digest else await _ours(work)):
                say(f"{work.name} push: {address} arrived, although the push seemed to fail")
                return there.digest
        raise _explained(words, settings.host, settings.username, address) from error


async def _ours(work: "Work") -> bool:
    return await work.pushed() is not None


def _explained(
    words: str, host: str, username: str, address: str
) -> AccessDeniedError | ServiceUnavailableError | TerminalError:
    if _DENIED.search(words):
        return AccessDeniedError(
            f"registry {host} does not let user {username!r} push {address}",
            next_command="give the account the right to push there, then run the same command",
        )
    # Upload addresses carry the registry's own state, hundreds of characters of it.
    cause = f"registry {host} did not take {address}: {quote(_QUERY.sub('?…', words), limit=300)}"
    if _UNAVAILABLE.search(words):
        return ServiceUnavailableError(cause)
    return TerminalError(cause)
