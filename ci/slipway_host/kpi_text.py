"""KPIs as people read them: a table against the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.kpi_report import Figure, KpiReport, ServiceKpis, Unit

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
SHORT = {
    "buildTime": "BUILD",
    "deployTime": "DEPLOY",
    "successRate": "SUCCESS",
    "failedDeploymentRecoveryTime": "RECOVERY",
    "deploymentFrequency": "PER DAY",
    "changeLeadTime": "LEAD TIME",
    "changeFailRate": "FAIL RATE",
}
_MARKS = {"met": "✓", "missed": "✗", "unknown": "?"}


def amount(value: float | None, unit: Unit) -> str:
    """Return a value with its unit: `4.2 min`, `96.0 %`, `1.30 a day`; `unknown` for None."""
    if value is None:
        return "unknown"
    if unit == "ratio":
        return f"{value * 100:.1f} %"
    if unit == "perDay":
        return f"{value:.2f} a day"
    for limit, word in ((DAY_S * 2, "d"), (HOUR_S * 2, "h"), (MINUTE_S * 2, "min")):
        if value >= limit:
            size = {"d": DAY_S, "h": HOUR_S, "min": MINUTE_S}[word]
            return f"{value / size:.1f} {word}"
    return f"{value:.1f} s"


def goal(figure: Figure) -> str:
    """Return the target with its sign: `< 5 min`."""
    found = amount(figure.target, figure.unit)
    return f"{figure.sign} {found.replace('.00 ', ' ').replace('.0 ', ' ')}"


def movement(figure: Figure) -> str:
    """Return the trend: arrow, judgement, and the value of the window before."""
    if figure.trend == "unknown" or figure.value is None or figure.previous is None:
        return ""
    before = amount(figure.previous, figure.unit)
    if figure.trend == "same":
        return f"→ same ({before})"
    return f"{'↑' if figure.value > figure.previous else '↓'} {figure.trend} ({before})"


def basis(figure: Figure) -> str:
    """Return on what a value is based, or why there is none."""
    said = figure.based_on if figure.value is not None else figure.why
    return f"{said}; {figure.left_out} left out" if figure.left_out else said


def screen(report: KpiReport) -> str:
    """Return the whole report as text.

    One service is shown in full; several as one, with a line for each below.
    """
    head = (
        f"{report.environment}: {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC "
        f"({report.days} days; of durations the median), {report.branch} of {report.repository} at "
        f"{report.head[:8]}"
    )
    if len(report.services) == 1:
        only = report.services[0]
        body = [f"{only.service}:", *_full(only)]
    else:
        body = [f"{len(report.services)} services together:", *_full(report.together), ""]
        body += _lines(report.services)
        body += ["", "✓ met  ✗ missed  ? unknown; one service in full: --service=<name>"]
    notes = [f"note: {note}" for note in report.notes]
    return "\n".join([head, "", *body, *(["", *notes] if notes else [])])


def _full(kpis: ServiceKpis) -> list[str]:
    if kpis.problem:
        return [f"  unknown: {kpis.problem}"]
    rows = [("", "NOW", "P90", "P95", "TARGET", "", "WINDOW BEFORE", "BASED ON")]
    rows += [
        (
            figure.title,
            amount(figure.value, figure.unit),
            amount(figure.p90, figure.unit) if figure.p90 is not None else "",
            amount(figure.p95, figure.unit) if figure.p95 is not None else "",
            goal(figure),
            figure.status,
            movement(figure),
            basis(figure),
        )
        for figure in kpis.figures
    ]
    return _aligned(rows)


def _lines(services: Sequence[ServiceKpis]) -> list[str]:
    rows = [("", *SHORT.values())]
    for one in services:
        cells = [f"{_MARKS[f.status]} {_cell(f)}" for f in one.figures]
        rows.append((one.service, *cells) if not one.problem else (one.service, f"? {one.problem}"))
    return _aligned(rows)


def _cell(figure: Figure) -> str:
    return "" if figure.value is None else amount(figure.value, figure.unit).removesuffix(" a day")


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    count = max(len(row) for row in rows)
    # A row of fewer cells ends in a sentence, which no column has to be as wide as.
    whole = [row for row in rows if len(row) == count]
    widths = [max(len(row[column]) for row in whole) for column in range(count)]
    return [
        ("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False))).rstrip()
        for row in rows
    ]
