"""The report of one service over time: its deliveries, and each KPI against its target (R20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host import figures, service_charts
from slipway_host.page import page, safe
from slipway_host.run_charts import NARROW, SEVERITY, WIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NOTHING = "\N{EN DASH}"
LISTED = 25
"""Deliveries in the table; the charts have all of the window."""
STANDINGS = {"met": ("good", "✓"), "missed": ("bad", "✕"), "unknown": ("still", NOTHING)}
SERIES = {"buildTime": "buildSeconds", "deployTime": "deploySeconds", "changeLeadTime": "leadSeconds"}
"""KPI → the delivery's figure that its chart shows."""
PERCENT = 100

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One KPI as the page shows it.

    Args:
        title: its name.
        value: in words; a dash where it is unknown.
        target: `target < 5 min`.
        standing: met, missed or unknown.
        trend: against the window before; empty where that is unknown.
        note: what it is based on, or why there is no value.
        chart: a drawing; None where there is nothing to draw.
    """

    title: str
    value: str
    target: str
    standing: str
    trend: str
    note: str
    chart: Any


def service_report(
    kpis: Mapping[str, Any], service: str, *, receipts: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Return a service's report as one HTML document.

    Args:
        kpis: the document of the KPI report.
        service: key of one in it.
        receipts: the service's own, in any order; what is older than the window is left out.
    """
    own = next(one for one in kpis["services"] if one["service"] == service)
    window = (kpis["since"], kpis["until"])
    cards = [_card(figure, own, window, days=kpis["days"]) for figure in own["figures"]]
    known = [card for card in cards if card.standing != "unknown"]
    met = sum(card.standing == "met" for card in known)
    deliveries = own["deployments"]
    inside = [receipt for receipt in receipts if receipt["startedAt"] >= kpis["since"]]
    return page(
        "service.html.j2",
        title=_headline(service, kpis["environment"], met, len(known), len(cards) - len(known)),
        tone="good" if known and met == len(known) else "warn" if known else "still",
        kpis=kpis,
        problem=own.get("problem", ""),
        lead=_lead(deliveries),
        cards=cards,
        standings=STANDINGS,
        timelines=_timelines(deliveries, window),
        over_time=_over_time(sorted(inside, key=lambda one: one["startedAt"]), window),
        rows=list(reversed(deliveries))[:LISTED],
        all_rows=len(deliveries),
        outcome=_outcome,
    )


def value(unit: str, amount: float) -> str:
    """Return a KPI's value in words: `4 min 2 s`, `97 %`, `1.3 a day`."""
    if unit == "seconds":
        return figures.duration(amount).replace(".0 s", " s")
    if unit == "ratio":
        return f"{amount * PERCENT:.3g} %"
    return f"{amount:.2g} a day"


def _headline(service: str, environment: str, met: int, known: int, unknown: int) -> str:
    if not known:
        return f"{service} in {environment}: no figures yet"
    rest = f", {unknown} unknown" if unknown else ""
    said = f"all {known} targets are met" if met == known else f"{met} of {known} targets are met"
    return f"{service} in {environment}: {said}{rest}"


def _lead(deliveries: Sequence[Mapping[str, Any]]) -> str:
    counts = [
        (sum(_outcome(one) == name for one in deliveries), name)
        for name in ("deployed", "failed", "rolled back")
    ]
    said = ", ".join(f"{count} {name}" for count, name in counts if count)
    return said or "no deliveries"


def _outcome(row: Mapping[str, Any]) -> str:
    return "rolled back" if row["kind"] == "rollback" else "failed" if row["failed"] else "deployed"


def _card(figure: Mapping[str, Any], own: Mapping[str, Any], window: tuple[str, str], *, days: int) -> Card:
    unit, standing = figure["unit"], figure["status"]
    target = f"target {figure['sign']} {value(unit, figure['target'])}"
    known = figure["value"] is not None
    said = value(unit, figure["value"]) if known else NOTHING
    trend = ""
    if known and figure.get("previous") is not None and figure["trend"] != "unknown":
        before = value(unit, figure["previous"])
        than = "the same as in" if figure["trend"] == "same" else f"{figure['trend']} than in"
        trend = f"{than} the {days} days before: {before}"
    draw = CHARTS.get(figure["name"])
    label = f"{figure['title']}: {said}, {target}, {standing}."
    drawn = draw(figure, own, window, label) if draw else None
    return Card(
        title=figure["title"],
        value=said,
        target=target,
        standing=standing,
        trend=trend,
        note=figure["why"] or f"from {figure['basedOn']}",
        chart=safe(drawn) if drawn else None,
    )


def _durations(figure: Mapping[str, Any], own: Mapping[str, Any], window: tuple[str, str], label: str) -> str:
    key = SERIES[figure["name"]]
    points = [{"at": row["at"], "seconds": row[key]} for row in own["deployments"] if row[key] is not None]
    return _line(points, figure, window, label)


def _recoveries(
    figure: Mapping[str, Any], own: Mapping[str, Any], window: tuple[str, str], label: str
) -> str:
    points = [
        {"at": row["at"], "seconds": row["recoverySeconds"]}
        for row in own["deployments"]
        if row["recoverySeconds"] is not None
    ]
    return _line(points, figure, window, label)


def _line(
    points: Sequence[Mapping[str, Any]], figure: Mapping[str, Any], window: tuple[str, str], label: str
) -> str:
    return service_charts.durations(points, window, target=figure["target"], label=label) if points else ""


def _bars(good: str, bad: str, *, targeted: bool = False) -> Callable[..., str]:
    def draw(figure: Mapping[str, Any], own: Mapping[str, Any], window: tuple[str, str], label: str) -> str:
        days = [
            {
                **day,
                "runsWell": day["runs"] - day["failedRuns"],
                "kept": day["deployments"] - day["failed"],
                "none": 0,
            }
            for day in own["days"]
        ]
        if not any(day[good] or day[bad] for day in days):
            return ""
        target = figure["target"] if targeted else None
        return service_charts.counts(days, window, good=good, bad=bad, target=target, label=label)

    return draw


CHARTS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], tuple[str, str], str], str]] = {
    **dict.fromkeys(SERIES, _durations),
    "failedDeploymentRecoveryTime": _recoveries,
    "successRate": _bars("runsWell", "failedRuns"),
    "changeFailRate": _bars("kept", "failed"),
    "deploymentFrequency": _bars("deployments", "none", targeted=True),
}


def _timelines(deliveries: Sequence[Mapping[str, Any]], window: tuple[str, str]) -> list[Any]:
    rows = [{"at": row["at"], "outcome": _outcome(row)} for row in deliveries]
    label = f"Deliveries from day to day: {_lead(deliveries)}; the table Deliveries lists them."
    widths = (WIDE, NARROW) if rows else ()
    return [safe(service_charts.deliveries(rows, window, width=width, label=label)) for width in widths]


def _over_time(
    receipts: Sequence[Mapping[str, Any]], window: tuple[str, str]
) -> list[tuple[str, str, str, Any]]:
    """Return a title, a figure in words, a note and a drawing of the image's size and of its findings."""
    sizes, found = [], []
    for receipt in receipts:
        for stage in receipt["services"][0]["stages"]:
            outputs = stage.get("outputs", {})
            if stage["stage"] == "push" and (platforms := outputs.get("layers")):
                # Of several platforms the first: their sizes go up and down together.
                first = next(iter(platforms.values()))
                sizes.append({"at": receipt["startedAt"], "bytes": sum(layer["size"] for layer in first)})
            if stage["stage"] == "scan-image" and (counts := outputs.get("counts")):
                found.append((receipt["startedAt"], counts))
    charts = []
    if sizes:
        now = figures.size(sizes[-1]["bytes"])
        drawn = service_charts.sizes(sizes, window, label=f"Image size at each deploy, now {now}.")
        charts.append(("Image size", now, "", safe(drawn)))
    if found:
        rows = [
            {"at": at, "severity": name, "count": counts[name], "order": order}
            for at, counts in found
            for order, name in enumerate(SEVERITY)
            if counts.get(name)
        ]
        said = ", ".join(f"{found[-1][1][name]} {name}" for name in SEVERITY if found[-1][1].get(name))
        said = said or "none"
        drawn = service_charts.severities(
            rows, window, label=f"Findings in the image at each deploy, now {said}."
        )
        there = [name for name in SEVERITY if any(row["severity"] == name for row in rows)]
        note = f"From below: {', '.join(there)}." if there else ""
        charts.append(("Findings in the image", said, note, safe(drawn) if rows else ""))
    return charts
