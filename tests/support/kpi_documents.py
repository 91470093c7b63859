"""KPI documents like those of a service that is deployed some times a week."""

from __future__ import annotations

import datetime as dt
from typing import Any

Json = dict[str, Any]
UNTIL = dt.datetime(2026, 11, 26, 9, 0, tzinfo=dt.UTC)
DAYS = 30
SIGNS = {
    ("seconds", "lower"): "<",
    ("ratio", "lower"): "≤",
    ("ratio", "higher"): ">",
    ("perDay", "higher"): "≥",
}


def figure(name: str, title: str, unit: str, value: float | None, target: float, **facts: Any) -> Json:
    better = facts.pop("better", "lower")
    status = "unknown"
    if value is not None:
        status = "met" if (value < target if better == "lower" else value >= target) else "missed"
    return {
        "name": name,
        "title": title,
        "unit": unit,
        "value": value,
        "mean": None,
        "p90": None,
        "p95": None,
        "target": target,
        "better": better,
        "sign": SIGNS[unit, better],
        "status": status,
        "count": 14,
        "basedOn": "receipts of 14 builds",
        "leftOut": 0,
        "why": "" if value is not None else "no delivery failed in these days",
        "previous": None,
        "previousCount": 0,
        "trend": "unknown",
        **facts,
    }


def delivery(number: int, days_ago: float, **facts: Any) -> Json:
    at = UNTIL - dt.timedelta(days=days_ago)
    return {
        "service": "api",
        "tag": f"{number * 0x1F3A57 + 0xB0000000:08x}"[:8],
        "kind": "deployment",
        "at": at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "commit": f"{number:x}" * 40,
        "source": "",
        "author": "Nadia Okoro <nadia@example.com>" if number % 3 else "renovate[bot] <bot@example.com>",
        "bot": not number % 3,
        "failed": False,
        "recoverySeconds": None,
        "changes": 1 + number % 3,
        "leadSeconds": 1800.0 + 900 * (number % 7) + 5400 * (number % 3),
        "buildSeconds": 58.0 + 17 * (number % 5),
        "deploySeconds": 19.0 + 6 * (number % 4),
        "run": "",
        **facts,
    }


def deliveries() -> list[Json]:
    """Return a month's deliveries: one failed and was rolled back."""
    found = [
        delivery(number, days_ago)
        for number, days_ago in enumerate(
            (29.2, 27.8, 26.9, 24.1, 23.3, 21.9, 20.2, 17.1, 16.4, 13.2, 9.9, 8.8, 6.1, 3.2, 2.9, 1.1)
        )
    ]
    found[8] |= {"failed": True, "recoverySeconds": 1260.0, "deploySeconds": 131.0}
    back = {"kind": "rollback", "tag": found[7]["tag"], "buildSeconds": None, "leadSeconds": None}
    return [*found[:9], delivery(17, 16.385, **back), *found[9:]]


def days(rows: list[Json]) -> list[Json]:
    found = []
    for ago in range(DAYS, -1, -1):
        date = f"{UNTIL - dt.timedelta(days=ago):%Y-%m-%d}"
        mine = [row for row in rows if row["at"].startswith(date)]
        new = [row for row in mine if row["kind"] == "deployment"]
        failed = sum(row["failed"] for row in new)
        found.append(
            {
                "date": date,
                "deployments": len(new),
                "rollbacks": len(mine) - len(new),
                "failed": failed,
                "runs": len(new) + bool(rows and ago == 9),
                "failedRuns": failed + bool(rows and ago == 9),
                "buildSeconds": None,
                "deploySeconds": None,
                "leadSeconds": None,
            }
        )
    return found


def kpis(*services: Json, **facts: Any) -> Json:
    return {
        "kpisVersion": 1,
        "environment": "dev",
        "repository": "https://git.example.com/mosuon/mosuon-devops-k8s.git",
        "branch": "main",
        "head": "5180b43c9e8d7c6b5a493827161504f3e2d1c0b9",
        "since": (UNTIL - dt.timedelta(days=DAYS)).isoformat().replace("+00:00", "Z"),
        "until": UNTIL.isoformat().replace("+00:00", "Z"),
        "days": DAYS,
        "together": {**services[0], "service": "", "deployments": []},
        "services": list(services),
        "notes": [],
        **facts,
    }


def service(name: str = "api") -> Json:
    rows = deliveries()
    return {
        "service": name,
        "problem": "",
        "deployments": rows,
        "days": days(rows),
        "figures": [
            figure("buildTime", "Build time", "seconds", 92.0, 300, previous=124.0, trend="better"),
            figure("deployTime", "Deploy time", "seconds", 31.0, 120, previous=30.5, trend="same"),
            figure(
                "successRate",
                "Success rate",
                "ratio",
                0.889,
                0.95,
                better="higher",
                previous=0.93,
                trend="worse",
            ),
            figure(
                "failedDeploymentRecoveryTime",
                "Failed deployment recovery time",
                "seconds",
                1260.0,
                1800,
                basedOn="1 failed delivery",
            ),
            figure("deploymentFrequency", "Deployment frequency", "perDay", 0.53, 1, better="higher"),
            figure("changeLeadTime", "Change lead time", "seconds", 5400.0, 86400),
            figure("changeFailRate", "Change fail rate", "ratio", 1 / 16, 0.15),
        ],
    }


def empty(name: str = "api") -> Json:
    """Return a service of which nothing is known yet."""
    found = service(name)
    figures = [{**one, "value": None, "status": "unknown", "why": "no receipts"} for one in found["figures"]]
    return {**found, "deployments": [], "days": days([]), "figures": figures}
