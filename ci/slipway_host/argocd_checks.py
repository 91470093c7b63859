"""What an Application says about whether the next deploy will arrive: read, and nothing asked of Argo CD."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from slipway_host import comparison
from slipway_host.checks import CheckStatus, Finding
from slipway_host.errors import quote
from slipway_host.source import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.application import Application
    from slipway_host.pods import Json
    from slipway_host.settings import GitSettings, Target

SILENT = dt.timedelta(minutes=15)
"""Argo CD compares each Application every 2 to 3 minutes unless told otherwise."""
_ADDRESS = re.compile(
    r"^(?:[a-z+]+://)?(?:[^@/]*@)?([^:/]+)(?::[0-9]+(?=/))?[:/]+(.*?)(?:\.git)?/*$", re.IGNORECASE
)


def _place(address: str) -> tuple[str, str]:
    """Return host and path of an address, which name one repository whatever transport and account it has."""
    found = _ADDRESS.match(address)
    return (found[1].lower(), found[2].lower()) if found else ("", address)


def _sources(app: Application) -> list[Json]:
    spec = app.body.get("spec", {})
    return [dict(source) for source in spec.get("sources") or [spec.get("source") or {}]]


def application(app: Application, target: Target, settings: GitSettings, *, head: str) -> Finding:
    """Return whether an Application follows the values file that the pipeline writes (R12).

    Args:
        app: the Application.
        target: the service.
        settings: the GitOps repository.
        head: the branch's commit; an error of an older one may be mended already.
    """
    if elsewhere := _elsewhere(app, target, settings):
        return elsewhere
    if broken := app.conditions():
        if head in app.revisions:
            return Finding(status=CheckStatus.FAILED, found=broken, fix=app.command)
        found = f"not compared since the branch moved to {head[:8]}; before: {broken}"
        return Finding(status=CheckStatus.WARNING, found=found, fix=app.command)
    if held := _held(app):
        return Finding(status=CheckStatus.WARNING, found=held, fix=app.command)
    automated = (app.body["spec"].get("syncPolicy") or {}).get("automated")
    how = "no automated sync: deploys ask for it"
    if automated is not None and automated.get("enabled", True):
        how = f"automated sync {'with' if automated.get('selfHeal') else 'without'} self-heal"
    return Finding(found=f"{target.app} follows {settings.branch}, {how}; {app.summary()}")


def _elsewhere(app: Application, target: Target, settings: GitSettings) -> Finding | None:
    """Return in what the Application follows something else, None where it follows ours."""
    host, path = _place(settings.url)
    places = [str(source.get("repoURL", "")) for source in _sources(app)]
    ours = [s for s, url in zip(_sources(app), places, strict=True) if _place(url) == (host, path)]
    if not ours:
        named = ", ".join(quote(CREDENTIALS.sub("", url), limit=200) for url in places)
        # One server may have two names, one of them inside the cluster.
        alias = any(_place(url)[1] == path for url in places)
        return _wrong(app, f"it follows {named or 'no repository'}, not {host}/{path}", sure=not alias)
    branches = {str(source.get("targetRevision") or "HEAD") for source in ours}
    # HEAD is the default branch, whose name only the server knows.
    if not branches & {settings.branch, f"refs/heads/{settings.branch}", "HEAD"}:
        return _wrong(app, f"it follows {', '.join(sorted(branches))}, not {settings.branch}")
    namespace = app.body["spec"].get("destination", {}).get("namespace", "")
    if namespace and namespace != target.namespace:
        return _wrong(app, f"it deploys to namespace {namespace}, not to {target.namespace}")
    if not any(_reads(source, target.values) for source in ours):
        paths = ", ".join(str(source.get("path", "")) or "no path" for source in ours)
        return _wrong(app, f"it reads {paths}, and does not seem to take {target.values}", sure=False)
    return None


def _wrong(app: Application, what: str, *, sure: bool = True) -> Finding:
    name = app.body["metadata"]["name"]
    status = CheckStatus.FAILED if sure else CheckStatus.WARNING
    return Finding(status=status, found=f"Application {name}: {quote(what)}", fix=app.command)


def _reads(source: Json, values: str) -> bool:
    """Say whether a source's chart or manifests may take the values file."""
    folder = str(source.get("path") or "").strip("/").removeprefix("./")
    if source.get("ref"):  # another source takes its files from here
        return True
    if folder in {"", "."} or values.startswith(f"{folder}/"):
        return True
    # A chart in a folder of its own names the file, relative to itself or to the repository's root.
    name = values.rpartition("/")[2]
    files = (source.get("helm") or {}).get("valueFiles") or []
    return any(str(file).rpartition("/")[2] == name and _ends(values, str(file)) for file in files)


def _ends(values: str, file: str) -> bool:
    tail = [part for part in file.split("/") if part not in {"", ".", ".."} and part[0] != "$"]
    return values.split("/")[-len(tail) :] == tail


def _held(app: Application) -> str:
    """Return what keeps the next sync back now; empty where nothing does."""
    message = str(app.last.get("message", ""))
    if app.operation and "sync window" in message:
        return f"a sync window of the project holds a sync back: {quote(message, limit=200)}"
    if app.operation:
        since = app.last.get("startedAt", "a moment ago")
        return f"a sync of {app.initiator} runs since {since}; a deploy waits for it"
    return ""


def windows(app: Application, found: Sequence[Json]) -> Finding:
    """Return whether sync windows concern an Application; when they are open, Argo CD alone says (83)."""
    if not found:
        return Finding(found=f"no sync window of project {app.project} concerns {app.name}")
    named = ", ".join(comparison.window(one) for one in found)
    return Finding(
        status=CheckStatus.WARNING,
        found=f"project {app.project} has sync windows, which may hold a deploy back: "
        f"{quote(named, limit=200)}",
        fix=app.project_command,
    )


def controller(apps: Sequence[Application], *, now: dt.datetime | None = None) -> Finding:
    """Return whether Argo CD's application controller works, by when it compared last (fault 84)."""
    times = sorted(filter(None, (app.reconciled_at for app in apps)))
    command = f"kubectl -n {apps[0].body['metadata']['namespace']} get pods"
    if not times:
        return Finding(
            status=CheckStatus.FAILED,
            found="nothing was ever compared: the controller does not run, or does not watch this namespace",
            fix=command,
        )
    age = (now or dt.datetime.now(dt.UTC)) - dt.datetime.fromisoformat(times[-1])
    if age > SILENT:
        minutes = int(age.total_seconds() // 60)
        return Finding(
            status=CheckStatus.WARNING,
            found=f"the last comparison was {minutes} minutes ago: the controller may be down",
            fix=command,
        )
    return Finding(found=f"compared {max(0, int(age.total_seconds()))} s ago")
