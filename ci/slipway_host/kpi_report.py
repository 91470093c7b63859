"""The shape of delivery KPIs: figures against their targets, and the series that charts are drawn from.

Plain data. How each figure is computed is in `kpi_figures`, from which events in `deployments`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import json
import re
import sys
from dataclasses import dataclass
from typing import Any, Literal

KPIS_VERSION = 1
DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTITY = "urn:slipway:kpis:1"
_ARGUMENT = re.compile(r"^    (\w+): (.*?)(?=^    \w|\Z)", re.MULTILINE | re.DOTALL)

Unit = Literal["seconds", "ratio", "perDay"]
Standing = Literal["met", "missed", "unknown"]
Trend = Literal["better", "worse", "same", "unknown"]
Kind = Literal["deployment", "rollback"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One KPI in one window.

    Args:
        name: stable key, like `changeLeadTime`.
        title: the same for people.
        unit: seconds, a ratio of 0 to 1, or a number per day.
        value: what is compared with the target: of durations the median. None: unknown, and `why` says why.
        mean: of durations, else None.
        p90: nine in ten are no longer; of durations, else None.
        p95: nineteen in twenty are no longer; of durations, else None.
        target: from `kpis.targets`.
        sign: how the value has to compare with the target to meet it.
        better: which direction is the good one.
        status: `met`, `missed`, or `unknown` where there is no value.
        count: how many events the value is based on.
        based_on: what was counted, in words: `receipts of 12 builds`.
        left_out: events without a usable time, in none of the numbers.
        why: why there is no value; else empty.
        previous: the value in the window of the same length before, None where it is unknown.
        previous_count: what that is based on.
        trend: from `previous` to `value`; `same` below a change of 5 %.
    """

    name: str
    title: str
    unit: Unit
    value: float | None
    mean: float | None = None
    p90: float | None = None
    p95: float | None = None
    target: float
    sign: Literal["<", "≤", ">", "≥"]
    better: Literal["lower", "higher"]
    status: Standing
    count: int
    based_on: str
    left_out: int = 0
    why: str = ""
    previous: float | None = None
    previous_count: int = 0
    trend: Trend = "unknown"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One change of a service's image on the branch, or one run that was to make one.

    Args:
        service: key in `slipway.yaml`.
        tag: the image's tag.
        kind: `deployment`, or `rollback` for a return to an image that ran before.
        at: when it landed on the branch, or, of one with a receipt, was proven; UTC.
        commit: the GitOps commit.
        source: the service's commit, empty where nobody says.
        author: of the GitOps commit, name and address.
        failed: it was rolled back, or its run failed after the commit had landed.
        recovery_seconds: from its landing to the end of the recovery; None where it did not fail, is not
            over, or the clocks disagree.
        changes: how many commits of the service it brought first; 0 where nobody knows.
        lead_seconds: the median of theirs, from commit to `at`; None where nobody knows.
        build_seconds: of its receipt, None without.
        deploy_seconds: GitOps commit to proof, of its receipt; None without.
        run: the run's id, empty where no receipt or trailer names one.
    """

    service: str
    tag: str
    kind: Kind
    at: dt.datetime
    commit: str
    source: str = ""
    author: str = ""
    failed: bool = False
    recovery_seconds: float | None = None
    changes: int = 0
    lead_seconds: float | None = None
    build_seconds: float | None = None
    deploy_seconds: float | None = None
    run: str = ""


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day in UTC; a day without events is there with zeros.

    Args:
        date: `2026-11-24`.
        deployments: how many landed, without rollbacks.
        rollbacks: how many.
        failed: of the deployments, how many failed.
        runs: receipts that ended as Deployed or Failed.
        failed_runs: of them, those that ended as Failed.
        build_seconds: median of the day's builds, None without one.
        deploy_seconds: median of the day's deploys, None without one.
        lead_seconds: median of the day's changes, None without one.
    """

    date: str
    deployments: int = 0
    rollbacks: int = 0
    failed: int = 0
    runs: int = 0
    failed_runs: int = 0
    build_seconds: float | None = None
    deploy_seconds: float | None = None
    lead_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class ServiceKpis:
    """The KPIs of one service, or of all together.

    Args:
        service: key in `slipway.yaml`; empty for all together.
        figures: in a fixed order, all of them, unknown ones included.
        days: each day of the window, oldest first.
        deployments: of the window, oldest first by ancestry; empty for all together.
        problem: why nothing of this service could be read; else empty.
    """

    service: str
    figures: tuple[Figure, ...]
    days: tuple[Day, ...]
    deployments: tuple[Deployment, ...] = ()
    problem: str = ""

    def figure(self, name: str) -> Figure:
        """Return the figure of that name."""
        return next(figure for figure in self.figures if figure.name == name)


@dataclass(frozen=True, kw_only=True)
class KpiReport:
    """All KPIs of one environment in one window.

    Args:
        environment: its name.
        repository: address of the GitOps repository, without credentials.
        branch: what was read of it.
        head: the branch's commit.
        since: start of the window, UTC.
        until: end of the window, which is when it was read.
        days: length of the window.
        together: all services as one.
        services: each, in the order of `slipway.yaml`.
        notes: what a reader has to know of the figures, a sentence each.
    """

    environment: str
    repository: str
    branch: str
    head: str
    since: dt.datetime
    until: dt.datetime
    days: int
    together: ServiceKpis
    services: tuple[ServiceKpis, ...]
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return everything as JSON values: keys in camelCase, times in UTC as ISO 8601."""
        return {"kpisVersion": KPIS_VERSION, **_plain(self)}

    def to_json(self) -> str:
        """Return the document as text."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {_camel(field.name): _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return round(value, 4) if isinstance(value, float) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def json_schema() -> dict[str, Any]:
    """Return the schema of the JSON document, with what the classes say of their fields."""
    from pydantic import TypeAdapter

    found = TypeAdapter(KpiReport).json_schema()
    definitions = found.pop("$defs")
    for part, kind in (
        (Figure, "Figure"),
        (Deployment, "Deployment"),
        (Day, "Day"),
        (ServiceKpis, "ServiceKpis"),
    ):
        definitions[kind] = _described(definitions[kind], part)
    whole = _described(found, KpiReport)
    whole["properties"] = {"kpisVersion": {"const": KPIS_VERSION}, **whole["properties"]}
    whole["required"] = ["kpisVersion", *whole["required"]]
    return {"$schema": DIALECT, "$id": IDENTITY, **whole, "title": "KPIs", "$defs": definitions}


def _described(schema: dict[str, Any], part: type) -> dict[str, Any]:
    text = inspect.getdoc(part) or ""
    said = {name: " ".join(words.split()) for name, words in _ARGUMENT.findall(text.partition("Args:\n")[2])}
    properties = {}
    for name, field in schema["properties"].items():
        kept = {key: value for key, value in field.items() if key not in {"title", "default"}}
        properties[_camel(name)] = {**kept, "description": said[name]} if name in said else kept
    # Every key is always written.
    return {
        "type": "object",
        "description": text.partition("\n")[0],
        "properties": properties,
        "required": list(properties),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
