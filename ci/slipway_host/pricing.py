"""What `slipway.yaml` says of costs: what a core and a gibibyte are worth."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway_host.names import Model

Price = Annotated[float, Field(ge=0, le=1_000_000)]


class Prices(Model):
    """What is paid for an hour."""

    cpu_core_hour: Price = Field(description="one core for an hour")
    memory_gib_hour: Price = Field(description="one GiB of memory for an hour")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        "USD", description="currency of both, three letters as in ISO 4217"
    )


class Cost(Model):
    """The costs of `dagger call cost`."""

    prices: Prices | None = Field(
        None, description="your prices; default: examples, which each output marks as such"
    )


EXAMPLE = Prices(cpuCoreHour=0.03, memoryGibHour=0.004, currency="USD")
"""Of the order of what public clouds ask for; nobody's price list."""
