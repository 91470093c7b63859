"""A receipt in Markdown: the summary of a step in GitHub Actions, or a comment of a pull request."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from slipway_host.run import ORDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SPECIAL = re.compile(r"([\\`*_\[\]|~#])")
_MARKS = {"Failed": "❌", "Waiting": "⏳", "Inconclusive": "⚠️", "Skipped": "⏭️"}
"""Of stages and services; what went well has ✅."""


def markdown(document: Mapping[str, Any]) -> str:
    """Return the summary: a headline for each service, what it was made of, and the stages as a table.

    Nothing in it is taken for markup or for somebody's name, whoever said it.
    """
    services = document["services"]
    parts = [_headline(document, service) for service in services]
    if not services:
        error = document.get("error", "")
        parts.append(f"### ❌ Failed\n\n> {text(error)}" if error else "### ✅ Nothing to do")
    parts.append(_facts(document))
    if len(services) == 1:
        parts.append(_one(services[0]))
    elif services:
        parts.append(_many(services))
    return "\n\n".join(parts)


def text(words: str) -> str:
    """Return words that Markdown shows as they are, on one line."""
    escaped = _SPECIAL.sub(r"\\\1", html.escape(" ".join(words.split()), quote=False))
    # Nobody is called by an image's name.
    return escaped.replace("@", "@<!-- -->")


def _headline(document: Mapping[str, Any], service: Mapping[str, Any]) -> str:
    status, where = service["status"], f"in {document['environment']}, namespace {service['namespace']}"
    what = f"{service['app']} {service.get('rollback', {}).get('to', document['tag'])}"
    if status == "Failed":
        lines = [f"### ❌ {text(service['service'])} failed", f"> {text(service['error'])}"]
    elif status == "Waiting":
        lines = [
            f"### ⏳ {text(what)} waits {text(where)}",
            f"Merge {text(service['pullRequest'])}, then run this again.",
        ]
    else:
        pods = len(service.get("pods", []))
        proof = f"{pods} ready pod{'' if pods == 1 else 's'} run{'s' if pods == 1 else ''}"
        verb = "Deployed" if status == "Deployed" else "Nothing to do:"
        if "rollback" in service and status == "Deployed":
            verb = f"Rolled back from {service['rollback']['from']} to"
        lines = [f"### ✅ {text(verb)} {text(what)} {text(where)}", f"{proof} `{service['digest']}`."]
    return "\n\n".join(lines)


def _facts(document: Mapping[str, Any]) -> str:
    rows = [
        ("commit", _commit(document)),
        ("GitOps commit", f"`{document['gitopsCommit']}`" if document["gitopsCommit"] else ""),
        ("took", f"{document['seconds']:.1f} s, until {document['finishedAt']}"),
        ("run", f"`{document['run']}`"),
    ]
    return " · ".join(f"{name} {value}" for name, value in rows if value)


def _commit(document: Mapping[str, Any]) -> str:
    commit, source = document["commit"], document["source"].removesuffix(".git")
    if not commit:
        return ""
    # GitHub, GitLab and Gitea alike.
    linked = source.startswith("https://") and not re.search(r"[\s()<>@]", source)
    return f"[`{commit[:8]}`]({source}/commit/{commit})" if linked else f"`{commit[:8]}`"


def _one(service: Mapping[str, Any]) -> str:
    rows = [
        (stage["stage"], _marked(stage["status"]), f"{stage['seconds']:.1f} s", text(stage["summary"]))
        for stage in service["stages"]
    ]
    return _table([("stage", "status", "time", "what"), *rows], right=2) if rows else ""


def _many(services: Sequence[Mapping[str, Any]]) -> str:
    cells = [
        {one["stage"]: f"{_marked(one['status'])} {one['seconds']:.1f} s" for one in service["stages"]}
        for service in services
    ]
    stages = [stage for stage in ORDER if any(stage in column for column in cells)]
    head = ("stage", *(text(service["service"]) for service in services))
    return _table([head, *((stage, *(column.get(stage, "") for column in cells)) for stage in stages)])


def _marked(status: str) -> str:
    return f"{_MARKS.get(status, '✅')} {status}"


def _table(rows: Sequence[tuple[str, ...]], *, right: int | None = None) -> str:
    ruler = tuple("---:" if column == right else "---" for column in range(len(rows[0])))
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ruler, *rows[1:]))
