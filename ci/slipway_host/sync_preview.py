"""What a sync by Argo CD would do to a service: read from the Application and the workload as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host import comparison, pods, progressive, sync_decision
from slipway_host.application import Holds
from slipway_host.errors import AccessDeniedError, NotFoundError, quote
from slipway_host.plan import UNKNOWN, SyncPlan
from slipway_host.source import CREDENTIALS
from slipway_host.workload import read_workload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.application import Application
    from slipway_host.applications import Applications
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target

SHOWN = 200


async def preview(
    kube: KubeClient,
    applications: Applications,
    target: Target,
    app: Application,
    *,
    head: str,
    commits: bool,
    contains: Callable[[str], Awaitable[bool]],
    report: Report,
) -> tuple[SyncPlan, dict[str, str]]:
    """Return what Argo CD would do, and the facts that this rests on.

    Args:
        kube: the cluster.
        applications: Argo CD's.
        target: the service.
        app: its Application.
        head: the branch's newest commit.
        commits: the deploy would put one on top of it.
        contains: says whether a revision has `head`.
        report: takes one line for people, live.

    Raises:
        TerminalError: a sync window holds an operation back, or one fails again and again.
    """
    holds = Holds(head, contains)
    synced = operated = ""
    if not commits:
        synced = await holds.one_of(app.revisions, report)
        operated = await holds.one_of(app.operated, report)
    decision = sync_decision.decide(app, synced=synced, operated=operated, request="", seen=False)
    line = decision.line
    if decision.action == "request":
        line = app.summary() if commits else f"{app.summary()}; asked to compare with {head[:8]}"
    workload = await read_workload(kube, target)
    found = _resources(app)
    drift = tuple(sorted(name for name, one in found if one.get("status") == "OutOfSync"
                         and not one.get("requiresPruning")))  # fmt: skip
    pruned = tuple(sorted(name for name, one in found if one.get("requiresPruning")))
    windows = await _windows(applications, app)
    plan = SyncPlan(
        application=target.app,
        policy=_policy(app),
        commit=commits,
        line=line,
        windows=windows,
        drift=drift,
        pruned=pruned,
        prune=_prunes(app),
        workload=f"{target.workload_kind}/{target.workload_name}",
        image=_image(workload.body, target) if workload else "",
        pods=workload.count.wanted if workload else 0,
        strategy=_strategy(workload.body) if workload else "",
    )
    facts = {
        f"Application {target.app}": f"{_source(app)}; {plan.policy}",
        f"out of sync in {target.app}": ", ".join((*drift, *(f"{one} (to be pruned)" for one in pruned)))
        or "nothing",
        f"sync windows of {target.app}": UNKNOWN if windows is None else "; ".join(windows) or "none",
        plan.workload: f"{plan.image}, {plan.strategy}" if workload else "absent",
    }
    return plan, facts


def _resources(app: Application) -> list[tuple[str, Json]]:
    return [
        (quote(f"{one.get('kind')}/{one.get('name')}", limit=SHOWN), one)
        for one in app.status.get("resources") or []
    ]


def _prunes(app: Application) -> bool:
    asked = sync_decision.operation(app, revision="", request="", run_id="")["sync"]
    return bool(asked["prune"])


def _policy(app: Application) -> str:
    policy = app.body["spec"].get("syncPolicy") or {}
    automated = policy.get("automated") or {}
    words = ["automated sync" if app.automated else "no automated sync: the deploy asks for it"]
    words += ["prune" if _prunes(app) else "no prune"]
    if app.automated:
        words += ["self-heal" if automated.get("selfHeal") else "no self-heal"]
    return ", ".join([*words, *sorted(str(one) for one in policy.get("syncOptions") or [])])


def _source(app: Application) -> str:
    """Return where an Application takes its manifests from and brings them to; no value of a parameter."""
    spec, said = app.body["spec"], []
    for one in spec.get("sources") or [spec.get("source") or {}]:
        helm = one.get("helm") or {}
        files = [str(name) for name in helm.get("valueFiles") or []]
        parameters = [f"parameter {item.get('name')}" for item in helm.get("parameters") or []]
        where = one.get("path") or one.get("chart") or one.get("ref") or ""
        address = CREDENTIALS.sub("", str(one.get("repoURL", "")))
        said.append(
            " ".join([f"{address}@{one.get('targetRevision') or 'HEAD'}:{where}", *files, *parameters])
        )
    to = spec.get("destination") or {}
    place = f"{to.get('server') or to.get('name') or ''} {to.get('namespace') or ''}".strip()
    return quote(f"project {app.project}; from {', '.join(said)}; to {place}", limit=1000)


async def _windows(applications: Applications, app: Application) -> tuple[str, ...] | None:
    try:
        found = await applications.windows(app)
    except (AccessDeniedError, NotFoundError):
        return None
    return tuple(quote(comparison.window(one), limit=SHOWN) for one in found or ())


def _image(workload: Json, target: Target) -> str:
    found = pods.images(workload["spec"]["template"], target)
    said = [f"{one.tag}{f'@{one.digest}' if one.digest else ''}" for one in found]
    return ", ".join(said) or f"no image of {target.repository}"


def _strategy(workload: Json) -> str:
    spec = workload["spec"]
    for kind, name in progressive.STRATEGIES.items():
        if kind in (spec.get("strategy") or {}):
            steps = (spec["strategy"][kind] or {}).get("steps") or []
            return ", then ".join([name, *(progressive.described(one) for one in steps)])
    found = spec.get("strategy") or spec.get("updateStrategy") or {}
    options = sorted((found.get("rollingUpdate") or {}).items())
    return " ".join(
        [str(found.get("type") or "RollingUpdate"), *(f"{key} {value}" for key, value in options)]
    )
