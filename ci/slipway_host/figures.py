"""Figures as people read them: durations, sizes, moments and differences."""

from __future__ import annotations

import datetime as dt

MINUTE, HOUR, DAY = 60, 3600, 86_400
KILO = 1000
MINUS = "\N{MINUS SIGN}"


def duration(seconds: float) -> str:
    """Return seconds in the two largest units that say enough: `0.5 s`, `1 min 26 s`, `2 d 3 h`."""
    if round(seconds, 1) < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, smaller, part in (
        ("d", DAY, "h", HOUR),
        ("h", HOUR, "min", MINUTE),
        ("min", MINUTE, "s", 1),
    ):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def size(count: float) -> str:
    """Return bytes in decimal units with three figures, as registries show them: `45.2 MB`."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if value < KILO:
            break
        value, unit = value / KILO, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= KILO // 10 else f"{value:.1f} {unit}"


def moment(text: str) -> str:
    """Return an ISO 8601 moment as `24 Nov 2026, 05:15 UTC`; what is none stays as it is."""
    try:
        when = dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except ValueError:
        return text
    return f"{when.day} {when:%b %Y, %H:%M} UTC"


def signed(change: float, said: str) -> str:
    """Return a difference with its sign, `±0` for none; `said` is it without one."""
    return f"+{said}" if change > 0 else f"{MINUS}{said}" if change < 0 else "±0"
