"""What a run leaves behind: one JSON document, a table for people, and one sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from slipway_host.errors import DeliveryError, TerminalError
from slipway_host.run import ORDER, instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECEIPT_VERSION = 1


def receipt(services: Sequence[dict[str, Any]], *, seconds: float, **facts: Any) -> dict[str, Any]:
    """Return the whole run as JSON values: facts first, then each service."""
    return {
        "receiptVersion": RECEIPT_VERSION,
        **facts,
        "startedAt": instant(seconds),
        "finishedAt": instant(),
        "changed": any(service["status"] == "Deployed" for service in services),
        "seconds": round(seconds, 2),
        "services": list(services),
    }


def to_json(document: Mapping[str, Any]) -> str:
    """Return a receipt as one JSON document, keys in the order in which things happened."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def summary(document: Mapping[str, Any]) -> str:
    """Return a receipt as a table for people, with a sentence for each service below it."""
    services = document["services"]
    if document.get("error"):
        return f"Failed: {document['error']}"
    if not services:
        return "Nothing to do: no service is concerned."
    table = _one(services[0]) if len(services) == 1 else _many(services)
    return "\n".join([*table, "", *(_sentence(document, service) for service in services)])


def _one(service: Mapping[str, Any]) -> list[str]:
    rows = [
        (row["stage"], row["status"], f"{row['seconds']:.1f} s", row["summary"]) for row in service["stages"]
    ]
    return _aligned(rows, right={2})


def _many(services: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a row for each stage: a service's column says how each stage ended and how long it took."""
    cells = [
        {row["stage"]: f"{row['status']} {row['seconds']:.1f} s" for row in s["stages"]} for s in services
    ]
    stages = [stage for stage in ORDER if any(stage in column for column in cells)]
    head = ("", *(service["service"] for service in services))
    return _aligned([head, *((stage, *(column.get(stage, "-") for column in cells)) for stage in stages)])


def _aligned(rows: Sequence[tuple[str, ...]], *, right: set[int] | None = None) -> list[str]:
    # A run that stopped before its first stage ended has no rows.
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = [
            f"{cell:>{width}}" if right and column in right else f"{cell:<{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines


def _sentence(document: Mapping[str, Any], service: Mapping[str, Any]) -> str:
    what = f"{service['app']} {document['tag']}"
    where = f"in {document['environment']}, namespace {service['namespace']}"
    if service["status"] == "Failed":
        return f"Failed: {service['service']}: {service['error']}"
    if service["status"] == "Waiting":
        return f"Waiting: {what} is not deployed {where}: merge {service['pullRequest']}, then run this again"
    proven = f"{len(service['pods'])} ready pod(s) run {service['digest'][:19]}…"
    if service["status"] == "Unchanged":
        return f"Nothing to do: {what} runs already {where}; {proven}"
    return f"Deployed {what} {where} in {document['seconds']:.1f} s; {proven}"


def combined(errors: Mapping[str, DeliveryError], *, total: int) -> DeliveryError:
    """Return the one error that ends a run: the only service's own, or one line for all of them.

    Args:
        errors: service → what stopped it, at least one.
        total: how many services the run was about.
    """
    if total == 1:
        return next(iter(errors.values()))
    causes = [f"{name}: {error.stage}: {error.cause}" for name, error in errors.items()]
    landed = [f"{name} {what}" for name, error in errors.items() for what in error.landed]
    first = next(iter(errors.values()))
    return TerminalError(
        f"{len(errors)} of {total} services failed: {'; '.join(causes)}",
        landed=landed,
        next_command=first.next_command,
    )
