"""The rollback of one `dagger call`: signatures are verified by cosign, in a container."""

from dataclasses import replace
from typing import TYPE_CHECKING

from slipway import trust
from slipway.calls import call_of
from slipway.inputs import Stage
from slipway.work import Work, open_works
from slipway_host.caller import command
from slipway_host.each import Outcome
from slipway_host.results import StageResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.way_back import Verify, Wish


async def retreat(inputs: Stage, services: list[str] | None, wish: "Wish", *, receipt_only: bool) -> Outcome:
    """Roll services back, and return the receipt; as `slipway_host.retreat.retreat`."""
    from slipway_host import retreat as host

    checkout, works = await open_works(inputs, services, "", clean=False, command=command("rollback"))
    await trust.check_required(works)
    return await host.retreat(
        call_of(inputs, checkout, works),
        wish,
        chosen=bool(services),
        receipt_only=receipt_only,
        verify=verifier(works),
    )


def verifier(works: "Sequence[Work]") -> "Verify":
    """Return what checks the signature of a service's image of another commit."""
    from slipway import supply

    by_name = {work.name: work for work in works}

    async def verify(name: str, commit: str, digest: str) -> StageResult:
        work = by_name[name]
        return await supply.verify(replace(work, checkout=replace(work.checkout, commit=commit)), digest)

    return verify
