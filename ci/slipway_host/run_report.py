"""The report of one run: a page that a person opens, prints or sends on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from slipway_host import figures, run_charts
from slipway_host.page import page, safe
from slipway_host.run_facts import Failure, ServiceFacts, failure, service_facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway_host.run_facts import Findings, Image

TONES = {"Deployed": "good", "Rolled back": "warn", "Unchanged": "still", "Waiting": "warn", "Failed": "bad"}
"""Status → how it looks; each has a mark and a word, too."""
MARKS = {"good": "✓", "warn": "!", "still": "=", "bad": "✕"}
MANY = 4
"""Services that a headline names; more are counted."""
_WEB = re.compile(r"https://[\w.-]+(:\d+)?/[^\s?#@]*")


def run_report(
    document: Mapping[str, Any],
    before: Mapping[str, Mapping[str, Any]],
    *,
    by: str = "",
    subject: str = "",
    doubt: str = "",
    alone: str = "there is no earlier deploy to compare with",
) -> str:
    """Return a run's report as one HTML document.

    Args:
        document: the run's receipt.
        before: service → the receipt of its last deploy before this run, of that service alone.
        by: who made the commit, where somebody knows.
        subject: the commit's first line.
        doubt: why the receipt is not verified; empty where it is, or nobody asked.
        alone: why a service has no last deploy.
    """
    services = [
        service_facts(document, service, before.get(service["service"])) for service in document["services"]
    ]
    timed = [one for one in services if any(stage.start is not None for stage in one.stages)]
    label = f"Timeline of {figures.duration(document['seconds'])}; the table Stages has the same figures."
    return page(
        "run.html.j2",
        title=headline(document, services),
        tone="bad" if document.get("error") else TONES[_status(services)],
        marks=MARKS,
        tones=TONES,
        run=document,
        failures=failures(document, services),
        by=by,
        subject=subject,
        doubt=doubt,
        alone=alone,
        source=web(document.get("source", "")),
        web=web,
        services=services,
        timelines=[
            safe(run_charts.timeline(timed, document["seconds"], width=width, label=label))
            for width in (run_charts.WIDE, run_charts.NARROW)
            if timed
        ],
        findings_chart=_findings_chart,
        layers_chart=_layers_chart,
    )


def headline(document: Mapping[str, Any], services: Sequence[ServiceFacts]) -> str:
    """Return the outcome in a sentence."""
    where, tag = document["environment"], document["tag"]
    if document.get("error"):
        return f"{tag} is not deployed to {where}"
    if not services:
        return f"Nothing to deploy to {where}: no service is concerned"
    names = {status: [one.name for one in services if one.status == status] for status in TONES}
    worst = names[_status(services)]
    arrived = len(names["Deployed"]) + len(names["Unchanged"])
    rest = f"; {arrived} of {len(services)} services run {tag}" if len(services) > 1 else ""
    already = f"; {listed(names['Unchanged'])} ran it already" if names["Unchanged"] else ""
    sentences = {
        "Failed": f"failed in {where}{rest}" if rest else f"{tag} is not deployed to {where}",
        "Waiting": f"{_verb(worst, 'waits', 'wait')} for a merge in {where}{rest}",
        "Rolled back": f"{_verb(worst, 'is', 'are')} rolled back to {tag} in {where}",
        "Deployed": f"{tag} {_verb(worst, 'is', 'are')} deployed to {where}{already}",
        "Unchanged": f"{tag} {_verb(worst, 'runs', 'run')} already in {where}",
    }
    return f"{listed(worst)} {sentences[_status(services)]}"


def failures(document: Mapping[str, Any], services: Sequence[ServiceFacts]) -> list[tuple[str, Failure]]:
    """Return what failed: each service by its name, or the run that did not come to its services."""
    if error := document.get("error"):
        return [("run", failure(str(error)))]
    return [(service.name, service.failure) for service in services if service.failure]


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence; of many, how many they are."""
    if len(names) > MANY:
        return f"{len(names)} services"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _verb(names: Sequence[str], one: str, several: str) -> str:
    return one if len(names) == 1 else several


def web(address: str) -> str:
    """Return an address that a link may have: https, without credentials; empty for any other."""
    return address.removesuffix(".git") if _WEB.fullmatch(address) else ""


def _status(services: Sequence[ServiceFacts]) -> str:
    """Return the worst status of all."""
    found = {service.status for service in services}
    return next(
        (status for status in ("Failed", "Waiting", "Rolled back", "Deployed") if status in found),
        "Unchanged",
    )


def _findings_chart(service: ServiceFacts, found: Findings) -> Any:
    rows = ", ".join(
        f"{row.count} {row.severity}" + (f" ({row.change})" if row.change else "") for row in found.rows
    )
    return safe(run_charts.findings(found, label=f"Findings in the {found.what} of {service.name}: {rows}."))


def _layers_chart(service: ServiceFacts, image: Image) -> Any:
    label = f"Layers of {service.name} for {image.platform}; the sentence below has the figures."
    return safe(run_charts.layers(image, label=label))
