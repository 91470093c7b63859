"""KPIs in Prometheus' text format, for a textfile collector or a Pushgateway.

Everything is a gauge: a figure of a sliding window falls as well as it rises. Units are base units:
seconds, ratios of 0 to 1, counts. What is unknown has no sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway_host.kpi_report import Figure, KpiReport, ServiceKpis

ALL = "*"
"""Label `service` of all together; no service can be called so."""
DURATIONS = {
    "buildTime": ("slipway_build_duration_seconds", "Time that builds took."),
    "deployTime": ("slipway_deploy_duration_seconds", "Time from GitOps commit to proof."),
    "failedDeploymentRecoveryTime": (
        "slipway_failed_deployment_recovery_seconds",
        "Time until failed deployments were recovered from (DORA).",
    ),
    "changeLeadTime": ("slipway_change_lead_time_seconds", "Time from commit to deployment (DORA)."),
}
RATIOS = {
    "successRate": ("slipway_deploy_success_ratio", "Share of deploys that succeeded."),
    "changeFailRate": ("slipway_change_fail_ratio", "Share of deployments that failed in production (DORA)."),
}
OBSERVATIONS = ("slipway_kpi_observations", "Number of events that a KPI is based on.")
MET = ("slipway_kpi_target_met", "Whether a KPI meets its target.")
DEPLOYMENTS = ("slipway_deployments", "Deployments in the window.")
ROLLBACKS = ("slipway_rollbacks", "Rollbacks in the window.")
WINDOW = ("slipway_kpi_window_seconds", "Length of the window.")
TAKEN = ("slipway_kpi_timestamp_seconds", "End of the window, when the GitOps repository was read.")


@dataclass
class _Families:
    """Samples by metric, since those of one metric have to stand together."""

    found: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, metric: tuple[str, str], value: float, **labels: str) -> None:
        """Add a sample."""
        inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        self.found.setdefault(metric, []).append(f"{metric[0]}{{{inside}}} {value!r}")

    def lines(self) -> Iterator[str]:
        """Yield the text, metric by metric."""
        for (name, what), samples in self.found.items():
            yield f"# HELP {name} {what}"
            yield f"# TYPE {name} gauge"
            yield from samples


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def exposition(report: KpiReport) -> str:
    """Return the report in the text format, version 0.0.4."""
    families = _Families()
    for one in (report.together, *report.services):
        for figure in one.figures:
            _figure(families, figure, service=one.service or ALL, environment=report.environment)
    for one in (report.together, *report.services):
        _counts(families, one, service=one.service or ALL, environment=report.environment)
    families.add(WINDOW, report.days * 86400.0, environment=report.environment)
    families.add(TAKEN, report.until.timestamp(), environment=report.environment)
    return "\n".join(families.lines()) + "\n"


def _figure(families: _Families, figure: Figure, **labels: str) -> None:
    families.add(OBSERVATIONS, figure.count, **labels, kpi=figure.name)
    if figure.value is None:
        return
    families.add(MET, int(figure.status == "met"), **labels, kpi=figure.name)
    if metric := DURATIONS.get(figure.name):
        for quantile, value in (("0.5", figure.value), ("0.9", figure.p90), ("0.95", figure.p95)):
            families.add(metric, value or 0.0, **labels, quantile=quantile)
    elif metric := RATIOS.get(figure.name):
        families.add(metric, figure.value, **labels)


def _counts(families: _Families, one: ServiceKpis, **labels: str) -> None:
    if one.figure("deploymentFrequency").value is not None:
        families.add(DEPLOYMENTS, sum(day.deployments for day in one.days), **labels)
        families.add(ROLLBACKS, sum(day.rollbacks for day in one.days), **labels)
