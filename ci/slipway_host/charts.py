"""Charts as SVG, drawn by Vega-Lite in this process: no browser, no network, nothing to run in the page.

Colours are the page's CSS variables, so one drawing serves light, dark and paper.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VEGA_LITE = "6.4"
"""The grammar's version is pinned: a newer renderer draws the same picture."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
INK, MUTED, LINE, ACCENT = "var(--ink)", "var(--muted)", "var(--line)", "var(--accent)"
_AXIS = {
    "domain": False,
    "ticks": False,
    "grid": False,
    "title": None,
    "labelColor": MUTED,
    "labelFontSize": 12,
    "labelPadding": 6,
    "gridColor": LINE,
}
CONFIG: dict[str, Any] = {
    "aria": False,
    "background": None,
    "font": FONT,
    "padding": 0,
    "view": {"stroke": None},
    "axis": _AXIS,
    "text": {"color": INK, "fontSize": 12},
    "title": {"color": INK, "fontSize": 14, "fontWeight": 600, "anchor": "start", "frame": "group"},
    "concat": {"spacing": 24},
}
# The page says in its own words what a chart shows: roles and labels of single marks would be noise.
_NOISE = re.compile(r' (?:class|role|aria-roledescription|aria-hidden)="[^"]*"')
_HEAD = re.compile(r"^<svg[^>]*>")
_BOX = re.compile(r'viewBox="0 0 (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)"')


def draw(spec: Mapping[str, Any], *, label: str, kind: str = "") -> str:
    """Return a chart as an `<svg>` element that stands in an HTML page.

    Args:
        spec: a Vega-Lite specification, its data inside.
        label: what a screen reader says in the picture's place.
        kind: CSS class beside `chart`.
    """
    import vl_convert
    from markupsafe import escape

    text = vl_convert.vegalite_to_svg({"config": CONFIG, **spec}, vl_version=VEGA_LITE)
    box = _BOX.search(text)
    assert box  # noqa: S101 - Vega's drawings have one
    # Beyond this width a drawing would only grow coarse; below it, it shrinks with the page.
    head = (
        f'<svg class="{f"chart {kind}".strip()}" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {box[1]} {box[2]}" width="{box[1]}" height="{box[2]}">'
    )
    return _HEAD.sub(lambda _: head, _NOISE.sub("", text), count=1)


def ticks(most: float, *, count: int) -> list[float]:
    """Return at most `count` + 1 moments from 0 to `most` seconds that people read at a glance."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
    step = next((step for step in steps if most / step <= count), steps[-1])
    return [round(step * number, 1) for number in range(int(most / step) + 1)]


def layered(*layers: Mapping[str, Any], **rest: Any) -> dict[str, Any]:
    """Return layers that share axes as one specification."""
    return {"layer": list(layers), **rest}


def values(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows as a specification's data."""
    return {"values": list(rows)}
