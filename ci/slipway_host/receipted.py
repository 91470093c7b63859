"""A run that changes something: its receipt stays, and others are told, whichever way it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from slipway_host import receipt
from slipway_host.caller import command
from slipway_host.errors import DeliveryError
from slipway_host.notifications import telling
from slipway_host.passage import Passage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from slipway_host.call import Call
    from slipway_host.notifications import Teller

P = TypeVar("P", bound=Passage)


async def receipted(
    call: Call,
    act: Callable[[Teller], Awaitable[Sequence[P]]],
    version: Callable[[Sequence[P]], tuple[str, str]],
    *,
    task: str = "deploy",
    began: float,
    planned: bool = False,
) -> tuple[dict[str, Any], DeliveryError | None]:
    """Do it, and return the receipt with what became the error of one service or several.

    Args:
        call: the services.
        act: does it, and returns what came of each service.
        version: returns the source commit and the tag that it is about, by what came of it; for nothing, as
            far as they are known before.
        task: `deploy` or `rollback`.
        began: when, by the monotonic clock.
        planned: it is the run of a saved plan: `act` begins to tell.

    Raises:
        DeliveryError: it ended before it came to its services.
    """
    commit, _ = version([])
    async with telling(call, commit=commit, task=task, planned=planned) as teller:
        try:
            passages = await act(teller)
        except DeliveryError as error:
            said = str(error.at(task, next_command=command(task)))
            await call.keep({**_document(call, [], version([]), began), "error": said}, [])
            raise
        document = await call.keep(_document(call, passages, version(passages), began), passages)
        teller.document = document
    errors = {one.name: one.run.error for one in passages if one.run.error}
    return document, receipt.combined(errors, total=len(passages)) if errors else None


def _document(
    call: Call, passages: Sequence[Passage], version: tuple[str, str], began: float
) -> dict[str, Any]:
    written = [one.run.results["gitops"] for one in passages if "gitops" in one.run.results]
    commits = (str(result.outputs["commit"]) for result in written if "commit" in result.outputs)
    return receipt.receipt(
        [one.document() for one in passages],
        seconds=time.monotonic() - began,
        run=call.run_id,
        environment=call.environment,
        commit=version[0],
        tag=version[1],
        source=call.source_url,
        gitopsCommit=next(commits, ""),
    )
