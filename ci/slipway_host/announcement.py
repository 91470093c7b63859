"""What is told of a run, made of its receipt: a message for people, or facts for a program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from slipway_host.errors import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from slipway_host.notices import Event

LIMIT = 600
"""Characters of an error; Slack takes 3000 of a text."""
SERVICES = 20
"""Lines of one message; the rest is counted."""
SIGNS: dict[str, str] = {"deployed": "✅", "failed": "❌", "rolledBack": "↩️", "waiting": "⏳"}


def events(service: Mapping[str, Any]) -> tuple[Event, ...]:
    """Return what happened to a service, the most important first; nothing where nothing changed."""
    status = service["status"]
    found: list[Event] = []
    if status == "Failed":
        found.append("failed")
    if "automaticRollback" in service or (status == "Deployed" and "rollback" in service):
        found.append("rolledBack")
    elif status == "Deployed":
        found.append("deployed")
    elif status == "Waiting":
        found.append("waiting")
    return tuple(found)


def concerned(document: Mapping[str, Any], wanted: Collection[str]) -> list[Mapping[str, Any]]:
    """Return the services of a receipt to which something happened that is to be told."""
    return [service for service in document["services"] if set(events(service)) & set(wanted)]


def refused(document: Mapping[str, Any], services: Sequence[str], error: str) -> dict[str, Any]:
    """Return the receipt of a run that ended before any service's first stage.

    Args:
        document: the run's facts.
        services: what it was about.
        error: why it ended.
    """
    failed = [{"service": name, "status": "Failed", "error": error, "stages": []} for name in services]
    return {**document, "services": failed}


def message(
    document: Mapping[str, Any], services: Sequence[Mapping[str, Any]], *, run_url: str = "", url: str = ""
) -> dict[str, Any]:
    """Return a message for Slack and what takes Slack's: `text` says all, `blocks` make it pretty.

    Args:
        document: the receipt.
        services: those to tell of.
        run_url: where the run's log is, or "".
        url: where what was deployed is, or "".
    """
    lines = [_line(document, service) for service in services[:SERVICES]]
    if len(services) > SERVICES:
        lines.append(f"… and {len(services) - SERVICES} more services")
    commit = str(document.get("commit", ""))[:8]
    links = [f"<{url}|open>" if url else "", f"<{run_url}|log>" if run_url else ""]
    context = [f"commit {commit}" if commit else "", f"run {document['run']}", *links]
    end = " · ".join(filter(None, context))
    text = "\n".join(lines)
    return {
        "text": f"{text}\n{end}",
        "blocks": [
            *({"type": "section", "text": {"type": "mrkdwn", "text": line}} for line in lines),
            {"type": "context", "elements": [{"type": "mrkdwn", "text": end}]},
        ],
    }


def _line(document: Mapping[str, Any], service: Mapping[str, Any]) -> str:
    event, name = events(service)[0], f"*{_escaped(service['service'])}*"
    where, tag = f"*{_escaped(document['environment'])}*", _escaped(document.get("tag", ""))
    pods = len(service.get("pods", []))
    if event == "deployed":
        said = f"{name} {tag} runs in {where}: {pods} ready pods, deployed in {document['seconds']:.0f} s"
    elif event == "rolledBack":
        back = service.get("rollback", {})
        said = f"{name} is back at {back.get('to', tag)} in {where}, from {back.get('from')}, which is held"
    elif event == "waiting":
        request = _escaped(service.get("pullRequest", ""))
        said = f"{name} {tag} waits to be deployed in {where}: merge <{request}|the pull request>"
    else:
        said = f"{name} {tag} failed in {where}: {_escaped(service.get('error', ''))}"
    return f"{SIGNS[event]} {said}"


def _escaped(text: object) -> str:
    """Return foreign text as Slack shows it: no link, no mention of everybody, no formatting of code."""
    line = quote(str(text), limit=LIMIT).replace("`", "'")
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def facts(
    document: Mapping[str, Any], services: Sequence[Mapping[str, Any]], *, run_url: str = "", url: str = ""
) -> dict[str, Any]:
    """Return the receipt's summary for a program, without the stages."""
    kept = ("service", "app", "namespace", "status", "image", "digest", "pullRequest", "rollback", "error")
    whole = ("run", "environment", "commit", "tag", "source", "gitopsCommit", "startedAt", "finishedAt")
    return {
        **{name: document[name] for name in whole if name in document},
        **({"runUrl": run_url} if run_url else {}),
        **({"environmentUrl": url} if url else {}),
        "services": [
            {"events": list(events(service)), **{name: service[name] for name in kept if name in service}}
            for service in services
        ],
    }


def body(document: Mapping[str, Any]) -> bytes:
    """Return JSON as it is sent and signed."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def outcome(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return a deployment's state at GitHub and its line.

    Unchanged services are a success: what was asked for runs.
    """
    by_status: dict[str, list[str]] = {}
    for service in document["services"]:
        by_status.setdefault(service["status"], []).append(service["service"])
    said = "; ".join(f"{status}: {', '.join(names)}" for status, names in by_status.items())
    state = "failure" if "Failed" in by_status else "pending" if "Waiting" in by_status else "success"
    return state, said or "no service is concerned"
