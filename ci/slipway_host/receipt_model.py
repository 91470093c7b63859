"""The receipt as it is read again: models of the JSON document, and the schema that is made of them.

`receipt.receipt()` writes it. Whoever reads one meets documents of older and newer releases: keys that are
not known are kept, and only what every release of a version has written is required.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTITY = "urn:slipway:receipt:1"

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Instant = Annotated[AwareDatetime, Field(description="ISO 8601, in UTC")]
Seconds = Annotated[float, Field(ge=0)]


class Part(BaseModel):
    """Frozen, camelCase in JSON; unknown keys are kept."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        field_title_generator=lambda name, _: name.replace("_", " "),
    )


class StageReceipt(Part):
    """One stage of one service."""

    stage: str = Field(description="the stage's name, as in `dagger call <stage>`")
    status: Literal["Succeeded", "Skipped", "Waiting", "Inconclusive", "Failed"] = Field(
        description="Skipped: what it would have made was in place already; Waiting: people have to act; "
        "Inconclusive: it could not find out, and the environment lets the run go on"
    )
    started_at: Instant | None = None
    seconds: Seconds = Field(description="how long it took")
    summary: str = Field(description="one line for people; of a failed stage the cause")
    outputs: dict[str, Any] = Field(default_factory=dict, description="what it made and found, by name")

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; None where nobody wrote down when it began."""
        from datetime import timedelta

        return self.started_at + timedelta(seconds=self.seconds) if self.started_at else None


class PodReceipt(Part):
    """One pod that was proven to run the image."""

    name: str


class LoadReceipt(Part):
    """What a load check has measured, inside the cluster, from one pod; latencies in milliseconds."""

    requests: int = Field(description="how many were sent")
    asked_per_s: float = Field(description="the constant rate that was asked for, in requests each second")
    achieved_per_s: float = Field(description="the rate at which they were sent")
    duration_s: int
    failed: int = Field(description="requests without a 2xx answer in time")
    error_rate: float = Field(description="their share, 0 to 1")
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    status_codes: dict[str, int] = Field(description="answers by HTTP status; 0 is none")
    budget: dict[str, float] = Field(description="what was allowed at most, by the keys of `slipway.yaml`")
    within_budget: bool
    enforced: bool = Field(description="whether the environment's gate would have failed the run")


class RollbackReceipt(Part):
    """What a rollback left and returned to."""

    left: str = Field(alias="from", description="the tag that was left")
    to: str = Field(description="the tag that was returned to")
    source_commit: str = Field("", description="commit that its image was built from; empty where unknown")
    warning: str = ""


class ServiceReceipt(Part):
    """One service of a run."""

    service: str = Field(description="key in `slipway.yaml`")
    status: Literal["Deployed", "Unchanged", "Waiting", "Failed"] = Field(
        description="Deployed: brought to proven-healthy pods; Unchanged: everything was in place already; "
        "Waiting: a pull request has to be merged"
    )
    app: str = Field(description="the Argo CD Application")
    namespace: str
    image: str = Field("", description="image reference by digest; empty where the run did not get that far")
    digest: Digest | Literal[""] = Field("", description="digest of the image")
    argocd_revision: str = Field("", description="the revision that Argo CD had synced at the proof")
    pods: tuple[PodReceipt, ...] = Field((), description="the ready pods of the proof")
    load: LoadReceipt | None = Field(None, description="of the load check, where there is one")
    pull_request: str = Field("", description="address of the pull request, where there was one")
    error: str = Field("", description="of a failed one: stage, cause, what landed, the next command")
    rollback: RollbackReceipt | None = None
    automatic_rollback: dict[str, Any] | None = Field(
        None, description="the part of the rollback that followed a failed deploy"
    )
    stages: tuple[StageReceipt, ...] = Field(description="in the chain's order")

    def stage(self, name: str) -> StageReceipt | None:
        """Return a stage by its name, None where the run did not come to it."""
        return next((stage for stage in self.stages if stage.stage == name), None)

    @property
    def failed_stage(self) -> str:
        """The stage that failed; empty where none did."""
        return next((stage.stage for stage in self.stages if stage.status == "Failed"), "")


class Receipt(Part):
    """One run of `deploy` or `rollback`: what was done, and what was proven.

    In the GitOps repository, each file tells of one service: `services` has one entry there.
    """

    receipt_version: Literal[1]
    run: str = Field(description="the run's id, which sorts by time; the GitOps commit names it, too")
    environment: str
    commit: str = Field(description="full hash of the services' commit; empty where nobody knows it")
    tag: str = Field(description="the images' tag")
    source: str = Field("", description="address of the services' repository")
    gitops_commit: str = Field(
        "", description="the commit of the GitOps repository that names the images; empty without one"
    )
    started_at: Instant
    finished_at: Instant
    error: str = Field("", description="why the run ended before it came to its services")
    changed: bool = Field(description="whether any service was deployed")
    seconds: Seconds = Field(description="how long the run took")
    services: tuple[ServiceReceipt, ...]

    @property
    def kind(self) -> Literal["deploy", "rollback"]:
        """Which command made it."""
        return "rollback" if any(service.rollback for service in self.services) else "deploy"


def json_schema() -> dict[str, Any]:
    """Return the schema, as a dictionary."""
    found = Receipt.model_json_schema(by_alias=True)
    definitions = found.pop("$defs")
    return {"$schema": DIALECT, "$id": IDENTITY, **found, "title": "receipt", "$defs": definitions}


def schema_text() -> str:
    """Return the schema as the file that is checked in."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
