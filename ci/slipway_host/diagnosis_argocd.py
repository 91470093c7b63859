"""The links of a diagnosis that Argo CD answers for: the Application, and whether it is applied."""

from __future__ import annotations

import datetime as dt
import posixpath
from functools import partial
from typing import TYPE_CHECKING

import anyio

from slipway_host import comparison, gitops, pods
from slipway_host.application import FAILED, Holds
from slipway_host.diagnosis_case import BrokenLinkError
from slipway_host.errors import AccessDeniedError, NotFoundError, quote
from slipway_host.progress import silent

if TYPE_CHECKING:
    from slipway_host.application import Application
    from slipway_host.diagnosis_case import Case
    from slipway_host.pods import Json

FRESH_S = 60.0
"""A comparison that old may not know of what has just changed, so another one is asked for."""
REFRESH_S = 30.0
CONTROLLER = "argocd-application-controller"
ALIVE_S = 600.0
"""By default a controller compares every 3 minutes: without a sign for longer than this, it is down."""
STUCK_S = 600.0
POLL_S = 0.5


def _age_s(stamp: object) -> float:
    """Return the seconds since a time in RFC 3339; infinity without one."""
    try:
        return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(str(stamp))).total_seconds()
    except (ValueError, TypeError):
        return float("inf")


async def application(case: Case) -> str:
    """Read the Application: it exists, follows our branch and our file, and can be compared."""
    try:
        app = await case.applications.read(case.target)
    except NotFoundError as error:
        if not case.manifest or "CRD" in error.cause:
            raise
        url = case.git.url
        raise BrokenLinkError(
            f"{error.cause}, although {case.manifest} is on the branch",
            fix=f"git clone --depth=1 {url} gitops && kubectl apply -f gitops/{case.manifest}",
        ) from error
    if "deletionTimestamp" in app.body["metadata"]:
        raise BrokenLinkError(f"the Application {case.target.app} is being deleted", fix=app.command)
    source = _source(case, app)
    case.app = await _fresh(case, app)
    for kind, message in case.app.errors():
        if kind != "SyncError":  # the next link's
            raise _incomparable(case, kind, message, source)
    shown = f"{source.get('repoURL', '')}@{source.get('targetRevision') or 'HEAD'}:{source.get('path', '')}"
    return f"{case.target.app} follows {quote(shown, limit=300)}; {case.app.summary()}"


def _source(case: Case, app: Application) -> Json:
    """Return the Application's source that is our repository, once everything about it is right."""
    target, spec = case.target, app.body["spec"]
    sources = spec.get("sources") or [spec.get("source") or {}]
    single = not spec.get("sources")
    ours = [one for one in sources if comparison.same_repository(one.get("repoURL", ""), case.git.url)]
    if not ours:
        found = ", ".join(str(one.get("repoURL", "")) for one in sources)
        raise BrokenLinkError(
            f"the Application {target.app} follows {quote(found, limit=300)}, and Slipway "
            f"commits to {case.git.url}",
            fix=app.patch_command({"source": {"repoURL": case.git.url}}) if single else app.command,
        )
    source: Json = ours[0]
    revision = str(source.get("targetRevision") or "HEAD")
    if revision not in {"HEAD", case.git.branch, f"refs/heads/{case.git.branch}"}:
        raise BrokenLinkError(
            f"the Application {target.app} follows {quote(revision, limit=100)}, and Slipway commits to "
            f"branch {case.git.branch}",
            fix=app.patch_command({"source": {"targetRevision": case.git.branch}}) if single else app.command,
        )
    files = comparison.value_files(source)
    if single and files and target.values not in files:
        relative = posixpath.relpath(target.values, str(source.get("path") or "."))
        raise BrokenLinkError(
            f"the Application {target.app} reads {quote(', '.join(files), limit=200)}, and Slipway writes "
            f"{target.values}",
            fix=app.patch_command({"source": {"helm": {"valueFiles": [relative]}}}),
        )
    namespace = str((spec.get("destination") or {}).get("namespace") or target.namespace)
    if namespace != target.namespace:
        raise BrokenLinkError(
            f"the Application {target.app} deploys to namespace {quote(namespace, limit=80)}, and "
            f"slipway.yaml says {target.namespace}",
            fix=f"write services.{target.service}.namespace: {quote(namespace, limit=80)} to slipway.yaml",
        )
    return source


async def _fresh(case: Case, app: Application) -> Application:
    """Return the Application after a comparison that is not older than the branch.

    Raises:
        BrokenLinkError: the controller leaves the refresh undone.
    """
    target = case.target
    if case.branch_head in app.revisions and _age_s(app.reconciled_at) < FRESH_S and not app.refreshing:
        return app
    before = app.reconciled_at
    try:
        await case.applications.refresh(app)
    except AccessDeniedError as error:
        case.notes.append(f"Argo CD was not asked to compare anew: {error.cause}")
        return app
    case.notes.append("Argo CD was asked for a new comparison: an annotation, and all that was changed")
    with anyio.move_on_after(REFRESH_S):
        while True:
            app = await case.applications.read(target)
            if not app.refreshing:
                return app
            await anyio.sleep(POLL_S)
    last = f"the last comparison was at {before or 'no time'}"
    if _age_s(before) < ALIVE_S:
        raise BrokenLinkError(
            f"Argo CD takes more than {REFRESH_S:g} s to compare {target.app} anew; {last}",
            fix=case.again,
            under_way=True,
        )
    raise BrokenLinkError(
        f"Argo CD's application controller does not answer: a refresh waits for {REFRESH_S:g} s, and {last}",
        fix=f"kubectl -n {target.argocd_namespace} rollout restart statefulset {CONTROLLER}",
    )


def _incomparable(case: Case, kind: str, message: str, source: Json) -> BrokenLinkError:
    judged = comparison.judge(message)
    url, path, target = str(source.get("repoURL", "")), str(source.get("path", "")), case.target
    clone = f"git clone --depth=1 --branch={case.git.branch} {url} gitops"
    fix = {
        "repository": f"argocd repo add {url} --username {case.git.username}",
        "revision": case.app.patch_command({"source": {"targetRevision": case.git.branch}}),
        "path": f"{clone} && ls gitops/{posixpath.dirname(path)}; {case.app.edit_command}",
        "render": f"{clone} && helm template {target.app} gitops/{path} --values gitops/{target.values}",
        "destination": case.app.project_command,
    }.get(judged.kind, case.app.command)
    return BrokenLinkError(f"Argo CD {judged.cause}", fix=fix, evidence=f"{kind}: {quote(message)}")


async def synced(case: Case) -> str:
    """Look whether the branch's state is applied, and why not."""
    app, target = case.app, case.target
    await _namespace(case)
    if app.window:
        raise _window(case, app.window)
    if app.failing:
        raise _failed(case, "fails and is tried again", app.failing)
    if app.operation:
        since = app.last.get("startedAt")
        stuck = _age_s(since) > STUCK_S and app.phase == "Running"
        raise BrokenLinkError(
            f"a sync of {app.initiator} runs since {since or 'a moment ago'}",
            fix=case.call("sync", "--terminate") if stuck else case.again,
            evidence=app.complaints(),
            under_way=not stuck,
        )
    if app.sync_status == "OutOfSync":
        raise await _out_of_sync(case)
    if app.sync_status != "Synced":
        raise BrokenLinkError(
            f"Argo CD has not compared {target.app} yet", fix=case.call("sync"), evidence=app.complaints()
        )
    contains = partial(gitops.contains, case.git, case.branch_head)
    at = await Holds(case.branch_head, contains).one_of(app.revisions, silent)
    if not at:
        raise BrokenLinkError(
            f"Argo CD has applied {', '.join(app.revisions)[:200]}, which does not contain the branch's "
            f"{case.branch_head[:8]}",
            fix=case.call("sync"),
        )
    if not app.automated:
        case.notes.append(f"the automated sync of {target.app} is off: later commits wait for somebody")
    return f"Synced at {at}"


async def _namespace(case: Case) -> None:
    name, policy = case.target.namespace, case.app.body["spec"].get("syncPolicy") or {}
    found = await case.kube.find(f"/api/v1/namespaces/{name}")
    if found is None and "CreateNamespace=true" not in (policy.get("syncOptions") or []):
        raise BrokenLinkError(
            f"namespace {name} does not exist, and the Application does not make it (CreateNamespace=true)",
            fix=case.call("secrets"),
        )
    if found and found.get("status", {}).get("phase") == "Terminating":
        kinds = ("NamespaceContentRemaining", "NamespaceFinalizersRemaining")
        held = [pods.condition(found, kind) for kind in kinds]
        said = "; ".join(str(one.get("message", "")) for one in held if one.get("status") == "True")
        raise BrokenLinkError(
            f"namespace {name} is being deleted (Terminating)",
            fix=f"kubectl wait --for=delete namespace/{name} --timeout=5m",
            evidence=quote(said),
        )


async def _out_of_sync(case: Case) -> BrokenLinkError:
    app, target = case.app, case.target
    if app.phase in FAILED:
        return _failed(case, f"ended as {app.phase}", quote(str(app.last.get("message", "")), limit=300))
    windows = await _windows(case)
    if windows:
        return _window(case, windows)
    if not app.automated:
        return BrokenLinkError(
            f"{target.app} is OutOfSync and its automated sync is off: nobody applies the branch",
            fix=case.call("sync"),
            evidence=app.complaints(),
        )
    return BrokenLinkError(
        f"{target.app} is OutOfSync: Argo CD has not applied the branch, or somebody changed the cluster",
        fix=case.call("sync"),
        evidence=app.complaints(),
    )


def _failed(case: Case, how: str, said: str) -> BrokenLinkError:
    return BrokenLinkError(
        f"the sync {how}: {said or 'Argo CD gives no reason'}",
        fix=f"correct the manifest on branch {case.git.branch}, then {case.call('sync')}",
        evidence=case.app.complaints(),
    )


def _window(case: Case, said: str) -> BrokenLinkError:
    namespace = case.target.argocd_namespace
    return BrokenLinkError(
        f"a sync window of project {case.app.project} holds the sync back",
        fix=f"kubectl -n {namespace} edit appproject {case.app.project}",
        evidence=said,
    )


async def _windows(case: Case) -> str:
    """Return the project's windows that concern the Application, with what each does; empty if unknown."""
    try:
        found = await case.applications.windows(case.app)
    except AccessDeniedError:
        return ""
    return "; ".join(comparison.window(one) for one in found or ())
