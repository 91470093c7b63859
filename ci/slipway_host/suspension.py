"""Argo CD held off one Application, so that what is done to its workload by hand stays.

The Application remembers in an annotation what it was like, so that any machine can put it back exactly.
Automated sync is taken out of its spec. Where another Application (an app-of-apps) manages this one, that
one would put it back within seconds: then Argo CD's own annotation `skip-reconcile` stops all processing of
this Application as well. A sync leaves annotations alone that its manifests do not name, and so that holds
unless the managing one syncs with `Replace=true`. An ApplicationSet writes annotations too: nothing would
hold, and it is refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import anyio

from slipway_host import waiting
from slipway_host.application import REFRESH, Application
from slipway_host.caller import command
from slipway_host.errors import AccessDeniedError, ConflictError, DeadlineError, TransientError, quote
from slipway_host.progress import within

if TYPE_CHECKING:
    from slipway_host.applications import Applications
    from slipway_host.pods import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target

ANNOTATION = "slipway/suspended"
SKIP = "argocd.argoproj.io/skip-reconcile"
TRACKING = "argocd.argoproj.io/tracking-id"
LABELS = ("argocd.argoproj.io/instance", "app.kubernetes.io/instance")
POLL_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Suspension:
    """What an Application was like before, and why it is not any more.

    Args:
        automated: `spec.syncPolicy.automated` as it was; None where there was none.
        skip: the value of `skip-reconcile` as it was; None where there was none.
        by: who suspended it.
        since: when, in UTC.
        goal: the revision that the workload was set to: name of a ReplicaSet or ControllerRevision.
    """

    automated: dict[str, Any] | None
    skip: str | None
    by: str
    since: str
    goal: str = ""

    def line(self) -> str:
        """Return who did it, and when."""
        return quote(f"suspended by {self.by} since {self.since}", limit=200)


def read(app: Application) -> Suspension | None:
    """Return what an Application remembers, None where it is not suspended by Slipway.

    Raises:
        ConflictError: it cannot be read; putting back is then for people.
    """
    text = _annotations(app).get(ANNOTATION)
    if text is None:
        return None
    try:
        return Suspension(**json.loads(text))
    except (ValueError, TypeError):
        raise ConflictError(
            f"annotation {ANNOTATION} of {app.body['metadata']['name']} cannot be read",
            next_command=app.command,
        ) from None


def refuse(app: Application, *, service: str) -> None:
    """Stop what needs Argo CD.

    Raises:
        ConflictError: it is held off this Application.
    """
    there = read(app)
    if there:
        name = app.body["metadata"]["name"]
        raise ConflictError(
            f"Argo CD's automated sync of {name} is {there.line()} ({command('undo')})",
            next_command=f"{command('rollback', f'--service={service}')}, which makes the branch say what "
            f"shall run, and resumes; or {command('resume', f'--service={service}')}, back to the branch as "
            "it is",
        )


async def manager(applications: Applications, app: Application) -> str:
    """Return the Application that manages this one, by its own tracking; empty where none does.

    Raises:
        ConflictError: an ApplicationSet does.
    """
    meta = app.body["metadata"]
    for owner in meta.get("ownerReferences") or []:
        if owner.get("kind") == "ApplicationSet":
            raise ConflictError(
                f"{meta['name']} is made by ApplicationSet {owner.get('name')}, which puts back whatever is "
                "changed of it: an emergency undo would not last",
                next_command=f"{command('rollback')}, which changes the branch",
            )
    name, _, what = str(_annotations(app).get(TRACKING, "")).partition(":")
    if what == f"argoproj.io/Application:{meta['namespace']}/{meta['name']}":
        return name
    labels = meta.get("labels") or {}
    for label in LABELS:
        # Helm writes the second one too: only a name that is an Application's counts.
        named = str(labels.get(label, ""))
        if named not in {"", meta["name"]}:
            try:
                if await applications.find(app.namespace, named):
                    return named
            except AccessDeniedError:
                # Not ours to see: the careful answer costs no more than an annotation.
                return named
    return ""


async def suspend(
    applications: Applications, target: Target, wanted: Suspension, *, report: Report, deadline_s: float
) -> str:
    """Hold Argo CD off, and return who manages the Application.

    Where it is held off already, what it remembers stays, and only the goal changes.
    Returns once no operation runs: one that had begun before would still write.

    Raises:
        ConflictError: an ApplicationSet manages it.
        DeadlineError: an operation does not end.
    """
    parent = ""
    try:
        within(deadline_s)
        with anyio.fail_after(deadline_s):
            while True:
                app = await waiting.patiently(lambda: applications.read(target), report)
                parent = await manager(applications, app)
                there = read(app)
                if there and there.goal == wanted.goal and app.operation is None:
                    return parent
                if there and there.goal == wanted.goal:
                    report(f"waiting for the sync of {app.initiator}, which began before")
                    await anyio.sleep(POLL_S)
                    continue
                await _patch(applications, app, _suspending(app, there, wanted, parent), report)
    except TimeoutError:
        raise DeadlineError(
            f"Argo CD's sync of {target.app} has not ended in {deadline_s:g} s; its automated sync is "
            "suspended, and the workload not touched",
            next_command=f"{command('sync', f'--service={target.service}', '--terminate')}, then undo again",
        ) from None


async def resume(
    applications: Applications, target: Target, *, report: Report, deadline_s: float
) -> Suspension | None:
    """Make the Application what it was before; return what it remembered, None where it was not suspended."""
    try:
        within(deadline_s)
        with anyio.fail_after(deadline_s):
            found: Suspension | None = None
            while True:
                app = await waiting.patiently(lambda: applications.read(target), report)
                there = read(app)
                if there is None:
                    return found
                found = there
                await _patch(applications, app, _resuming(there), report)
    except TimeoutError:
        raise DeadlineError(
            f"{target.app} could not be changed in {deadline_s:g} s",
            next_command=command("status", f"--service={target.service}"),
        ) from None


def _suspending(app: Application, there: Suspension | None, wanted: Suspension, parent: str) -> Json:
    policy = app.body["spec"].get("syncPolicy") or {}
    kept = there or Suspension(
        automated=policy.get("automated"),
        skip=_annotations(app).get(SKIP),
        by=wanted.by,
        since=wanted.since,
    )
    remembered = {**asdict(kept), "goal": wanted.goal}
    annotations = {ANNOTATION: json.dumps(remembered), **({SKIP: "true"} if parent else {})}
    body: Json = {"metadata": {"annotations": annotations}}
    if policy.get("automated") is not None:
        body["spec"] = {"syncPolicy": {"automated": None}}
    return body


def _resuming(there: Suspension) -> Json:
    # What has changed while it was skipped, the controller has not seen: it would look in minutes only.
    body: Json = {"metadata": {"annotations": {ANNOTATION: None, SKIP: there.skip, REFRESH: "normal"}}}
    if there.automated is not None:
        body["spec"] = {"syncPolicy": {"automated": there.automated}}
    return body


async def _patch(applications: Applications, app: Application, body: Json, report: Report) -> None:
    try:
        await applications.change(app, body)
    except (ConflictError, TransientError) as error:
        # Moved since it was read, or perhaps applied after all: the next look tells.
        report(f"{error.cause}; reading {app.name} again")
        await anyio.sleep(waiting.SETTLE_S)


def _annotations(app: Application) -> dict[str, str]:
    return dict(app.body["metadata"].get("annotations") or {})
