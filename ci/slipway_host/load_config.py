"""What `slipway.yaml` says of a service's load check, and what an environment makes of its result."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from slipway_host.names import Cpu, ImageReference, Memory, Model, UrlPath, problem

# Vegeta 12.8.4, by https://github.com/peter-evans/vegeta-docker: its authors publish no image themselves.
IMAGE = "docker.io/peterevans/vegeta:6.9.1"
HIGHEST_RATE = 10_000
LONGEST_S = 3600
ANSWER_S = 10
"""A request that is not answered by then has failed."""
FEWEST = {"p95_ms": 20, "p99_ms": 100}
"""Requests below which a percentile is the slowest one of all, and says nothing that comes back."""

Milliseconds = Annotated[int, Field(ge=1, le=ANSWER_S * 1000)]


class Budget(Model):
    """What the load check's figures may be at most; what is left out is measured and not judged."""

    p50_ms: Milliseconds | None = Field(None, description="median latency, in milliseconds")
    p95_ms: Milliseconds | None = Field(None, description="latency of 95 of 100 requests, in milliseconds")
    p99_ms: Milliseconds | None = Field(None, description="latency of 99 of 100 requests, in milliseconds")
    error_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01,
        description=f"share of requests without a 2xx answer within {ANSWER_S} s: 0.01 is one of a hundred",
    )


class Load(Model):
    """HTTP requests at a constant rate to the new pods, after the smoke test and before the proof."""

    path: UrlPath = Field(description="what is requested by GET, like /scores?limit=10")
    rate_per_s: Annotated[int, Field(ge=1, le=HIGHEST_RATE)] = Field(
        description="requests each second, over all new pods together; each begins when it is due, "
        "whether or not earlier ones are answered"
    )
    duration_s: Annotated[int, Field(ge=1, le=LONGEST_S)] = Field(30, description="seconds that it takes")
    budget: Budget = Field(Budget(), description="what the figures may be at most")
    image: ImageReference = Field(IMAGE, description="image that has Vegeta (12.8 or later) and a shell")
    memory: Memory = Field("256Mi", description="memory that it may use")
    cpu: Cpu = Field("1000m", description="processor time that it may use")
    run_as_user: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(65534, description="user id to run as")

    @model_validator(mode="after")
    def _enough_requests(self) -> Self:
        requests = self.rate_per_s * self.duration_s
        for key, fewest in FEWEST.items():
            if getattr(self.budget, key) is not None and requests < fewest:
                name = key.removesuffix("_ms")
                raise problem(
                    f"{name} of {requests} requests is that of the slowest one: there have to be {fewest}, "
                    "by a higher ratePerS or a longer durationS",
                    *("budget", f"{name}Ms"),
                )
        return self


class LoadPolicy(Model):
    """What the services' load checks do to a run."""

    gate: Literal["report", "fail", "skip"] = Field(
        "report",
        description="fail: figures over budget stop the run, and so does a check that could not measure; "
        "report: they never do; skip: nothing is requested here",
    )
