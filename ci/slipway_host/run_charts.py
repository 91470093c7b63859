"""The pictures of one run: its stages in time, its findings, and the image's layers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from slipway_host import figures
from slipway_host.charts import ACCENT, INK, MUTED, draw, layered, ticks, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slipway_host.run_facts import Findings, Image, Layer, ServiceFacts, StageFacts

WIDE, NARROW = 878, 276
"""Pixels of a whole chart: on a page of its full width; in a third of it, and on a phone."""
NAMES = 86
"""Pixels for the names at a chart's left."""
FILL = {"Failed": "var(--bad)", "Waiting": "var(--warn)", "Inconclusive": "var(--warn)", "Skipped": "none"}
SEVERITY = {
    "CRITICAL": "var(--critical)",
    "HIGH": "var(--high)",
    "MEDIUM": "var(--medium)",
    "LOW": "var(--low)",
    "UNKNOWN": "var(--unknown)",
}
LETTER = 7
"""Pixels that a letter takes at most, on the average."""


def timeline(services: Sequence[ServiceFacts], seconds: float, *, width: int, label: str) -> str:
    """Return the stages of all services as a Gantt chart, on one axis.

    Args:
        services: those with stages of which the begin is known.
        seconds: of the whole run.
        width: of the chart, in pixels.
        label: what a screen reader says.
    """
    plot = width - NAMES
    ends = [start + stage.seconds for service in services for stage, start in _timed(service)]
    most = max([seconds, 0.1, *ends])
    marks = ticks(most, count=7 if width == WIDE else 3)
    charts = [
        _lane(service, most, plot, marks, last=service is services[-1], named=len(services) > 1)
        for service in services
    ]
    kind = "wide" if width == WIDE else "narrow"
    return draw({"vconcat": charts, "spacing": 20}, label=label, kind=kind)


def _lane(
    service: ServiceFacts, most: float, plot: int, marks: list[float], *, last: bool, named: bool
) -> dict[str, Any]:
    rows = [_bar(stage, start, most, plot) for stage, start in _timed(service)]
    clock = json.dumps({f"{mark:g}": figures.duration(mark).replace(".0 s", " s") for mark in marks})
    axis = {
        "values": marks,
        "grid": True,
        "labels": last,
        "labelExpr": f"{clock}[datum.value]",
        "labelFlush": True,
    }
    time = {"field": "start", "type": "quantitative", "scale": {"domain": [0, most], "nice": False}}
    bar = {
        "mark": {"type": "bar", "height": 14, "cornerRadius": 3, "strokeWidth": 1.5},
        "encoding": {
            "y": _names("stage"),
            "x": {**time, "axis": axis},
            "x2": {"field": "end"},
            "fill": _as_said("fill"),
            "stroke": _as_said("stroke"),
        },
    }
    texts = [
        _texts("right", "end", {"align": "left", "dx": 7, "color": MUTED}),
        _texts("left", "start", {"align": "right", "dx": -7, "color": MUTED}),
        _texts("inside", "start", {"align": "left", "dx": 8, "color": "var(--on-accent)"}),
    ]
    title = {"title": {"text": f"{service.name}: {service.status.lower()}", "dx": -NAMES}} if named else {}
    return layered(bar, *texts, data=values(rows), width=plot, height={"step": 23}, **title)


def _texts(place: str, field: str, mark: dict[str, Any]) -> dict[str, Any]:
    return {
        "transform": [{"filter": f"datum.place === '{place}'"}],
        "mark": {"type": "text", "baseline": "middle", **mark},
        "encoding": {
            "y": {"field": "stage", "type": "nominal", "sort": None},
            "x": {"field": field, "type": "quantitative"},
            "text": {"field": "said"},
        },
    }


def _timed(service: ServiceFacts) -> list[tuple[StageFacts, float]]:
    return [(stage, stage.start) for stage in service.stages if stage.start is not None]


def _bar(stage: StageFacts, start: float, most: float, plot: int) -> dict[str, Any]:
    """Return a stage's bar, and where its text has room."""
    end = start + stage.seconds
    fill = FILL.get(stage.status, ACCENT)
    said = figures.duration(stage.seconds)
    if stage.status != "Succeeded":
        said = f"{'✕ ' if stage.status == 'Failed' else ''}{stage.status.lower()}, {said}"
    room = _room(said) / plot * most
    place = "right" if end + room <= most else "left" if start >= room else "inside"
    return {
        "stage": stage.name,
        "start": start,
        "end": end,
        "fill": fill,
        "stroke": MUTED if fill == "none" else fill,
        "said": said,
        "place": place,
    }


def findings(found: Findings, *, label: str) -> str:
    """Return a bar for each severity, with a line where the last deploy was."""
    rows = [(row, f"{row.count} ({row.change})" if row.change else f"{row.count}") for row in found.rows]
    most = max([1, *(max(row.count, row.before or 0) for row in found.rows)])
    end = _end(most, [said for _, said in rows])
    y = _names("severity")
    count = {"type": "quantitative", "scale": {"domain": [0, end], "nice": False}, "axis": None}
    bar = {
        "mark": {"type": "bar", "height": 14, "cornerRadiusEnd": 3},
        "encoding": {"y": y, "x": {"field": "count", **count}, "fill": _as_said("fill")},
    }
    before = {
        "transform": [{"filter": "isValid(datum.before)"}],
        "mark": {"type": "tick", "thickness": 2, "size": 20, "color": INK},
        "encoding": {"y": y, "x": {"field": "before", **count}},
    }
    said = {
        "mark": {"type": "text", "align": "left", "dx": 8},
        "encoding": {"y": y, "x": {"field": "far", **count}, "text": {"field": "said"}},
    }
    data = [
        {
            "severity": row.severity,
            "count": row.count,
            "before": row.before,
            "far": max(row.count, row.before or 0),
            "said": text,
            "fill": SEVERITY[row.severity],
        }
        for row, text in rows
    ]
    chart = layered(bar, before, said, data=values(data), width=NARROW - NAMES, height={"step": 25})
    return draw(chart, label=label)


def layers(image: Image, *, label: str) -> str:
    """Return the layers of this deploy's image under those of the last: shared ones pale, new ones strong."""
    deploys = [("last deploy", image.before, frozenset[str]()), ("this deploy", image.layers, image.new)]
    deploys = [deploy for deploy in deploys if deploy[1]]
    sizes = [sum(layer.size for layer in kept) for _, kept, _ in deploys]
    y, most = _names("deploy"), max(1, *sizes)
    x = {
        "type": "quantitative",
        "scale": {"domain": [0, _end(most, [figures.size(size) for size in sizes])], "nice": False},
        "axis": None,
    }
    bars = {
        "data": values([row for deploy in deploys for row in _stack(*deploy)]),
        "mark": {"type": "bar", "height": 18, "stroke": "var(--paper)", "strokeWidth": 1},
        "encoding": {
            "y": y,
            "x": {"field": "start", **x},
            "x2": {"field": "end"},
            "fill": _as_said("fill"),
        },
    }
    totals = [
        {"deploy": deploy[0], "end": size, "said": figures.size(size)}
        for deploy, size in zip(deploys, sizes, strict=True)
    ]
    said = {
        "data": values(totals),
        "mark": {"type": "text", "align": "left", "dx": 8},
        "encoding": {"y": y, "x": {"field": "end", **x}, "text": {"field": "said"}},
    }
    return draw(layered(bars, said, width=NARROW - NAMES, height={"step": 30}), label=label)


def _stack(deploy: str, kept: Sequence[Layer], new: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Give a bar for each layer, side by side."""
    end = 0
    for layer in kept:
        start, end = end, end + layer.size
        fill = ACCENT if layer.digest in new else "var(--pale)"
        yield {"deploy": deploy, "start": start, "end": end, "fill": fill}


def _names(field: str) -> dict[str, Any]:
    """Return the encoding of names at the left, in the data's own order."""
    axis = {"minExtent": NAMES, "maxExtent": NAMES, "labelLimit": NAMES - 6, "labelColor": INK}
    return {"field": field, "type": "nominal", "sort": None, "axis": axis}


def _as_said(field: str) -> dict[str, Any]:
    """Return the encoding of a colour that the data itself names."""
    return {"field": field, "type": "nominal", "scale": None}


def _room(text: str) -> int:
    """Return the pixels that a text beside a bar needs."""
    return len(text) * LETTER + 12


def _end(most: float, texts: Sequence[str]) -> float:
    """Return where an axis has to end for the longest bar to have room for the longest text beside it."""
    return most / (1 - max(map(_room, texts), default=0) / (NARROW - NAMES))
