"""The pictures of one service over time: what was delivered when, and each KPI against its target."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from slipway_host import figures
from slipway_host.charts import ACCENT, INK, MUTED, draw, layered, ticks, values
from slipway_host.run_charts import NAMES, NARROW, SEVERITY, WIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEIGHT = 96
SCALE = 62
"""Pixels for the figures at a chart's left."""
MARKS = 3
"""Figures at a chart's left, beside 0, at most."""
BAD = "var(--bad)"

Document = dict[str, Any]


def _time(window: tuple[str, str], *, count: int, field: str = "at") -> Document:
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc", "domain": list(window), "padding": 5},
        "axis": {"format": "%-d %b", "tickCount": count, "labelFlush": True},
    }


def deliveries(rows: Sequence[Mapping[str, str]], window: tuple[str, str], *, width: int, label: str) -> str:
    """Return what landed when, a mark each, in a row for each outcome.

    Args:
        rows: `at`, `outcome` (deployed, failed, rolled back) of each.
        window: its first and last moment.
        width: of the chart, in pixels.
        label: what a screen reader says.
    """
    wide = width == WIDE
    outcomes = ["deployed", "rolled back", "failed"]
    chart = {
        "data": values(rows),
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 0.85},
        "width": width - NAMES,
        "height": {"step": 30},
        "encoding": {
            "x": {**_time(window, count=8 if wide else 3)},
            "y": {
                "field": "outcome",
                "type": "nominal",
                "scale": {"domain": outcomes},
                "axis": {"minExtent": NAMES, "maxExtent": NAMES, "grid": True, "labelColor": INK},
            },
            "shape": {
                "field": "outcome",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": outcomes, "range": ["circle", "triangle-left", "square"]},
            },
            "color": {
                "field": "outcome",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": outcomes, "range": [ACCENT, "var(--warn)", BAD]},
            },
        },
    }
    return draw(chart, label=label, kind="wide" if wide else "narrow")


def durations(
    points: Sequence[Mapping[str, Any]], window: tuple[str, str], *, target: float, label: str
) -> str:
    """Return a duration of each deploy as points on a line, with the target as another.

    Args:
        points: `at` and `seconds` of each, oldest first.
        window: its first and last moment.
        target: in seconds.
        label: what a screen reader says.
    """
    most = max([target, *(point["seconds"] for point in points)]) * 1.1
    marks = ticks(most, count=MARKS)
    names = json.dumps({f"{mark:g}": figures.duration(mark).replace(".0 s", " s") for mark in marks})
    axis = {"values": marks, "labelExpr": f"{names}[datum.value]"}
    y = {"field": "seconds", "type": "quantitative", "scale": {"domain": [0, most]}, "axis": _scaled(axis)}
    return draw(_against(points, window, y, target, mark="line"), label=label)


def sizes(points: Sequence[Mapping[str, Any]], window: tuple[str, str], *, label: str) -> str:
    """Return the image's size at each deploy: `at` and `bytes`."""
    most = max(point["bytes"] for point in points) * 1.1
    steps = (step * 10**power for power in range(13) for step in (1, 2, 5))
    step = next(step for step in steps if most / step <= MARKS)
    marks = [step * number for number in range(int(most / step) + 1)]
    names = json.dumps({str(mark): figures.size(mark) for mark in marks})
    axis = {"values": marks, "labelExpr": f"{names}[datum.value]"}
    y = {"field": "bytes", "type": "quantitative", "scale": {"domain": [0, most]}, "axis": _scaled(axis)}
    return draw(_against(points, window, y, None, mark="line"), label=label)


def counts(
    days: Sequence[Mapping[str, Any]],
    window: tuple[str, str],
    *,
    good: str,
    bad: str,
    target: float | None,
    label: str,
) -> str:
    """Return a bar upwards for what went well on a day, and one downwards for what did not.

    Args:
        days: `date` and two counts of each.
        window: its first and last moment.
        good: name of the count above the line.
        bad: name of the count below it.
        target: a count for each day to compare with; None for none.
        label: what a screen reader says.
    """
    rows = [
        {"at": day["date"], "n": sign * day[name], "fill": fill}
        for day in days
        for name, sign, fill in ((good, 1, ACCENT), (bad, -1, BAD))
        if day[name]
    ]
    high = max([target or 0, 1, *(row["n"] for row in rows)])
    low = min([0, *(row["n"] for row in rows)])
    y = {
        "field": "n",
        "type": "quantitative",
        "scale": {"domain": [low * 1.1, high * 1.15]},
        "axis": _scaled({"values": whole(low, high), "labelExpr": "abs(datum.value)"}),
    }
    return draw(_against(rows, window, y, target, mark="bar", days=len(days)), label=label)


def severities(points: Sequence[Mapping[str, Any]], window: tuple[str, str], *, label: str) -> str:
    """Return the findings at each deploy, stacked by severity: `at`, `severity`, `count`."""
    names = list(SEVERITY)
    totals: dict[str, int] = {}
    for point in points:
        totals[point["at"]] = totals.get(point["at"], 0) + point["count"]
    most = max(totals.values(), default=1)
    chart = {
        "data": values(points),
        "mark": {"type": "bar", "width": 7},
        "width": NARROW - SCALE,
        "height": HEIGHT,
        "encoding": {
            "x": _time(window, count=3),
            "y": {
                "field": "count",
                "type": "quantitative",
                "stack": "zero",
                "axis": _scaled({"values": whole(0, most)}),
            },
            "order": {"field": "order", "type": "quantitative"},
            "color": {
                "field": "severity",
                "type": "nominal",
                "scale": {"domain": names, "range": list(SEVERITY.values())},
                "legend": None,
            },
        },
    }
    return draw(chart, label=label)


def whole(low: int, high: float) -> list[int]:
    """Return marks that count things: whole numbers, 0 among them."""
    step = max(1, -(-round(high - low) // MARKS))
    return [*range(-(-low // step) * step, math.ceil(high) + 1, step)]


def _scaled(axis: Mapping[str, Any]) -> Document:
    return {"grid": True, "minExtent": SCALE, "maxExtent": SCALE, **axis}


def _against(
    rows: Sequence[Mapping[str, Any]],
    window: tuple[str, str],
    y: Document,
    target: float | None,
    *,
    mark: str,
    days: int = 30,
) -> Document:
    plot = NARROW - SCALE
    if mark == "line":
        shape: Document = {
            "type": "line",
            "color": ACCENT,
            "strokeWidth": 1.5,
            "point": {"filled": True, "color": ACCENT, "size": 36},
        }
        color: Document = {}
    else:
        shape = {"type": "bar", "width": max(1.5, plot / days * 0.7)}
        color = {"fill": {"field": "fill", "type": "nominal", "scale": None}}
    layers: list[Document] = [
        {"data": values(rows), "mark": shape, "encoding": {"x": _time(window, count=3), "y": y, **color}}
    ]
    if target is not None:
        dashed = {"type": "rule", "strokeDash": [4, 3], "color": MUTED, "strokeWidth": 1.5}
        layers.append({"data": values([{}]), "mark": dashed, "encoding": {"y": {"datum": target}}})
    return layered(*layers, width=plot, height=HEIGHT)
