"""What every object that is made once needs: losing a race costs another look, and nothing else.

Objects are created by POST, never by apply, which would leave a Secret's values a second time in an
annotation. Additions carry the `resourceVersion` they were made for: who loses a race reads again
and adopts what the winner wrote (faults 51-53).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from slipway_host.errors import ConflictError, NotFoundError, TransientError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json

T = TypeVar("T")
STAGE = "secrets"
"""Of all that is made here: it is one stage for people."""
MANAGED = {"app.kubernetes.io/managed-by": "slipway"}
ATTEMPTS = 8


class RaceLostError(TransientError):
    """Somebody else wrote between our look and our write: look again."""


async def until_settled(act: Callable[[], Awaitable[T]]) -> T:
    """Look and act until nobody comes between; a lost connection is settled by the next look."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        reraise=True,
    )
    return await retrying(act)


async def create(kube: KubeClient, path: str, body: Json) -> None:
    """POST one object; where somebody was faster, the race is lost."""
    try:
        await kube.create(path, body)
    except ConflictError as error:
        raise RaceLostError(error.cause) from error


async def add(kube: KubeClient, path: str, secret: Json, data: Mapping[str, str]) -> None:
    """Add keys to a Secret as it was read; where it has changed since, the race is lost."""
    version = secret["metadata"]["resourceVersion"]
    try:
        await kube.patch(path, {"metadata": {"resourceVersion": version}, "data": dict(data)})
    except (ConflictError, NotFoundError) as error:
        raise RaceLostError(error.cause) from error
