"""Costs as people and programs read them; prices that are examples are called so in every form."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from slipway_host.expense import HOURS
from slipway_host.footprint import RESOURCES, WRITTEN
from slipway_host.pricing import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.expense import Change, Expense
    from slipway_host.footprint import Amounts
    from slipway_host.pricing import Prices

COST_VERSION = 1


def price_list(prices: Prices | None) -> str:
    """Return the prices as a sentence; None for the examples."""
    paid = prices or EXAMPLE
    said = (
        f"{paid.cpu_core_hour:g} {paid.currency} an hour for a core, {paid.memory_gib_hour:g} "
        f"{paid.currency} for a GiB of memory; a month has {HOURS} hours"
    )
    if prices is None:
        return f"EXAMPLE PRICES, not yours: {said}. Write cost.prices in slipway.yaml"
    return f"prices: {said}"


def screen(found: Sequence[Expense], *, environment: str) -> str:
    """Return the services below each other, then their sum and the prices."""
    parts = [f"{one.target.service} in {environment}:\n" + "\n".join(_lines(one)) for one in found]
    return "\n\n".join([*parts, "\n".join(_foot(found))])


def _lines(one: Expense) -> list[str]:
    if one.pod is None:
        return [f"  unknown: {one.problem}"]
    target, count = one.target, one.replicas.now
    what = f"{target.workload_kind}/{target.workload_name} in namespace {target.namespace}"
    scaled = one.replicas
    name = scaled.autoscaler
    by = f", autoscaler {name} scales them from {scaled.least} to {scaled.most}" if name else ""
    lines = [f"  {what}: {_pods(count)}{by}"]
    rows: list[tuple[str, ...]] = [("", "CPU REQUEST", "LIMIT", "MEMORY REQUEST", "LIMIT")]
    for box in one.pod.containers:
        name = box.name if box.kind == "app" else f"{box.name} ({box.kind})"
        rows.append((name, *_cells(box.requests, box.limits)))
    rows.append(("a pod", *_cells(one.pod.requests, one.pod.limits)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines += [
        ("    " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
    lines += [f"  {which}  {_money_of(one, which)}" for which in ("requests", "limits  ")]
    lines += [f"  not free: {line}" for line in one.pod.unbounded]
    if one.change:
        lines.append(f"  last rollout: {_rollout(one.change, one)}")
    if one.share:
        share = ", ".join(f"{one.share[name] * 100:.1f} % of {name}" for name in RESOURCES)
        lines.append(f"  {_pods(count)}: {share} that all nodes offer")
    return [*lines, *(f"  unknown: {line}" for line in one.unknown)]


def _pods(count: int) -> str:
    return f"{count} pod{'' if count == 1 else 's'}"


def _cells(requests: Amounts, limits: Amounts) -> list[str]:
    cells = []
    for name in RESOURCES:
        cells += [
            WRITTEN[name](requests[name]) if name in requests else "none",
            WRITTEN[name](limits[name]) if name in limits else "none",
        ]
    return cells


def _money_of(one: Expense, which: str) -> str:
    kind = which.strip()
    now = one.cost(kind, one.replicas.now)
    if now is None:
        return "no upper bound: a container has no limit"
    said = f"{now:.2f} {one.prices.currency} a month" + ("" if kind == "requests" else " at most")
    least, most = (one.cost(kind, count) for count in (one.replicas.least, one.replicas.most))
    if least is not None and most is not None and least != most:
        said += f", {least:.2f} to {most:.2f} as it scales"
    return said + (" (example prices)" if one.example else "")


def _money(value: Decimal, one: Expense) -> str:
    mark = " (example prices)" if one.example else ""
    return f"{value:.2f} {one.prices.currency} a month{mark}"


def _rollout(change: Change, one: Expense) -> str:
    numbers = f"revision {change.earlier} to {change.later}"
    if not change.differs:
        return f"{numbers}, requests and limits as before"
    prices = None if one.example else one.prices
    return f"{numbers}, {change_line(change, prices, one.replicas.now)}"


def change_line(change: Change, prices: Prices | None, count: int) -> str:
    """Return what a rollout changed in what a pod takes, and what that costs.

    Args:
        change: of the rollout.
        prices: what is paid; None for the examples.
        count: pods.
    """
    moved = []
    for which in ("requests", "limits"):
        before, after = getattr(change.before, which), getattr(change.after, which)
        for name in RESOURCES:
            old, new = before.get(name), after.get(name)
            if old != new:
                label = "" if which == "requests" else " limit"
                moved.append(f"{name}{label} {_written(name, old)} → {_written(name, new)}")
    paid = prices or EXAMPLE
    more = change.per_pod(paid) * count
    if not more:
        return f"a pod's {', '.join(moved)}, at the same cost"
    mark = " (example prices)" if prices is None else ""
    return f"a pod's {', '.join(moved)}: {more:+.2f} {paid.currency} a month for {_pods(count)}{mark}"


def _written(name: str, value: Decimal | None) -> str:
    return "none" if value is None else WRITTEN[name](value)


def change_document(change: Change, prices: Prices | None, count: int) -> dict[str, Any]:
    """Return the same as JSON values, for receipts."""
    paid = prices or EXAMPLE
    return {
        "fromRevision": change.earlier,
        "toRevision": change.later,
        "before": _both(change.before.requests, change.before.limits),
        "after": _both(change.after.requests, change.after.limits),
        "pods": count,
        "morePerMonth": round(float(change.per_pod(paid) * count), 4),
        "currency": paid.currency,
        "examplePrices": prices is None,
    }


def _both(requests: Amounts, limits: Amounts) -> dict[str, dict[str, float | None]]:
    return {
        which: {name: float(amounts[name]) if name in amounts else None for name in RESOURCES}
        for which, amounts in (("requests", requests), ("limits", limits))
    }


def _foot(found: Sequence[Expense]) -> list[str]:
    known = [one for one in found if one.pod]
    lines = []
    if len(found) > 1 and known:
        total = sum((one.cost("requests", one.replicas.now) or Decimal(0) for one in known), Decimal(0))
        missing = f", without {len(found) - len(known)} unknown" if len(known) < len(found) else ""
        lines.append(f"together: {_money(total, known[0])} for what is requested{missing}")
    return [*lines, price_list(None if found[0].example else found[0].prices)]


def document(found: Sequence[Expense], *, environment: str) -> dict[str, Any]:
    """Return everything as JSON values: cores, bytes, money a month; None for no bound."""
    prices = found[0].prices
    return {
        "costVersion": COST_VERSION,
        "environment": environment,
        "prices": {
            "cpuCoreHour": prices.cpu_core_hour,
            "memoryGibHour": prices.memory_gib_hour,
            "currency": prices.currency,
            "examples": found[0].example,
        },
        "hoursPerMonth": HOURS,
        "services": [_service(one) for one in found],
    }


def _service(one: Expense) -> dict[str, Any]:
    target, scaled = one.target, one.replicas
    facts: dict[str, Any] = {
        "service": target.service,
        "namespace": target.namespace,
        "workload": f"{target.workload_kind}/{target.workload_name}",
    }
    if one.pod is None:
        return {**facts, "problem": one.problem}
    counts = {"now": scaled.now, "least": scaled.least, "most": scaled.most}
    paid = None if one.example else one.prices
    return {
        **facts,
        "replicas": {**counts, "autoscaler": scaled.autoscaler},
        "pod": one.pod.document(),
        "perMonth": {
            which: {name: _rounded(one.cost(which, count)) for name, count in counts.items()}
            for which in ("requests", "limits")
        },
        "lastRollout": change_document(one.change, paid, scaled.now) if one.change else None,
        "shareOfNodes": one.share,
        "unknown": list(one.unknown),
    }


def _rounded(value: Decimal | None) -> float | None:
    return None if value is None else round(float(value), 4)
