"""What `slipway.yaml` says of KPIs: the targets that they are shown against."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway_host.names import Model

Seconds = Annotated[float, Field(ge=1, le=366 * 86400)]
Ratio = Annotated[float, Field(ge=0, le=1)]


class KpiTargets(Model):
    """When a KPI is good enough; of durations, the median counts."""

    build_time_s: Seconds = Field(300, description="seconds that a build takes: less than that")
    deploy_time_s: Seconds = Field(
        120, description="seconds from the GitOps commit to the proof: less than that"
    )
    success_rate: Ratio = Field(0.95, description="share of deploys that succeed: more than that")
    recovery_time_s: Seconds = Field(
        1800, description="seconds until a failed deployment is recovered from: less than that"
    )
    deployments_per_day: Annotated[float, Field(ge=0.01, le=1000)] = Field(
        1, description="deployments a day, weekends included: that or more"
    )
    lead_time_s: Seconds = Field(86400, description="seconds from a commit to its deployment: less than that")
    change_fail_rate: Ratio = Field(
        0.15, description="share of deployments that fail in production: that or less"
    )


class Kpis(Model):
    """The KPIs of `dagger call kpis`."""

    targets: KpiTargets = Field(KpiTargets(), description="what they are compared with")
