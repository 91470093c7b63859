"""What Argo CD and the cluster make and take away of a preview, waited for."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from slipway_host import suspension, waiting
from slipway_host.caller import command
from slipway_host.errors import AccessDeniedError, ConflictError, DeadlineError, NotFoundError
from slipway_host.progress import within

if TYPE_CHECKING:
    from slipway_host.application import Application
    from slipway_host.applications import Applications
    from slipway_host.kube import KubeClient
    from slipway_host.progress import Report
    from slipway_host.settings import Target

ARGOCD_S = 240.0
"""Argo CD looks at a repository every 3 minutes; asked for a refresh, it takes seconds."""
NAMESPACE_S = 120.0
POLL_S = 1.0


async def manager(applications: Applications, target: Target) -> str:
    """Return who makes an Application; empty where that is nobody that can be asked to look again."""
    try:
        app = await applications.find(target.argocd_namespace, target.app)
        return await suspension.manager(applications, app) if app else ""
    except ConflictError:  # an ApplicationSet: it looks by itself
        return ""


async def _ask(applications: Applications, namespace: str, parent: str, report: Report) -> None:
    """Have the managing Application look at the branch now; without the right to, it looks by itself."""
    try:
        found = await applications.find(namespace, parent) if parent else None
        if found:
            await applications.refresh(found)
    except (AccessDeniedError, NotFoundError) as error:
        report(f"{parent} is not asked to look at once: {error.cause}")


@dataclass(frozen=True)
class _Seen:
    """An Application, None where it is gone, and whether that had to be waited for."""

    app: Application | None
    waited: bool


async def _until(
    applications: Applications, target: Target, parent: str, *, there: bool, report: Report
) -> _Seen | None:
    """Look until an Application is there, or is gone; return None where that takes too long."""
    find = partial(applications.find, target.argocd_namespace, target.app)
    waited = False
    within(ARGOCD_S)
    with anyio.move_on_after(ARGOCD_S):
        while True:
            app = await waiting.patiently(find, report)
            if (app is not None) is there:
                return _Seen(app, waited)
            if not waited:
                await _ask(applications, target.argocd_namespace, parent, report)
                verb = "make" if there else "remove"
                report(f"waiting for {parent or 'Argo CD'} to {verb} Application {target.app}")
                waited = True
            await anyio.sleep(POLL_S)
    return None


async def until_there(
    applications: Applications, base: Target, target: Target, report: Report
) -> Application:
    """Wait until Argo CD has a preview's Application, and return it.

    Raises:
        DeadlineError: nothing makes it.
    """
    parent = await manager(applications, base)
    seen = await _until(applications, target, parent, there=True, report=report)
    if seen and seen.app:
        return seen.app
    raise DeadlineError(
        f"Argo CD has made no Application {target.app} in {ARGOCD_S:g} s: a root Application or an "
        f"ApplicationSet has to, of {posixpath.dirname(target.values)}",
        next_command=f"argocd app get {parent} --refresh" if parent else command("doctor"),
    )


async def until_gone(applications: Applications, target: Target, parent: str, report: Report) -> bool:
    """Wait until an Application and what it has made are gone, and return whether it was there.

    Raises:
        DeadlineError: nothing removes it.
    """
    seen = await _until(applications, target, parent, there=False, report=report)
    if seen:
        return seen.waited
    raise DeadlineError(
        f"Application {target.app} is still there {ARGOCD_S:g} s after its folder went: its root Application "
        "has to prune",
        next_command=f"argocd app sync {parent} --prune" if parent else f"argocd app delete {target.app}",
    )


async def without_namespace(kube: KubeClient, name: str, report: Report) -> bool:
    """Remove a namespace and wait until it is gone; return whether it was there.

    Raises:
        AccessDeniedError: namespaces are not ours to remove.
        DeadlineError: something in it does not go.
    """
    path = f"/api/v1/namespaces/{name}"
    there = await kube.find(path)
    if there is None:
        return False
    try:
        await kube.delete(path, uid=there["metadata"]["uid"])
    except AccessDeniedError as error:
        error.next_command = f"kubectl delete namespace {name}"
        raise
    report(f"waiting for namespace {name} to go")
    within(NAMESPACE_S)
    with anyio.move_on_after(NAMESPACE_S):
        while True:
            if await waiting.patiently(partial(kube.find, path), report) is None:
                return True
            await anyio.sleep(POLL_S)
    raise DeadlineError(
        f"namespace {name} is still Terminating after {NAMESPACE_S:g} s",
        next_command=f"kubectl get namespace {name} --output yaml",
    )
