"""What runs of a service: one screen, from Argo CD, the workload's pods and the GitOps history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from slipway_host import git, holds, pods, progressive, proof, suspension, undo, values
from slipway_host.errors import DeliveryError, quote
from slipway_host.git_log import trailers_of
from slipway_host.image_change import RUN, SOURCE_COMMIT, source_of
from slipway_host.together import together
from slipway_host.workload import ROLLOUT, Workload, read_workload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from slipway_host.application import Application
    from slipway_host.applications import Applications
    from slipway_host.git import Clone
    from slipway_host.holds import Hold
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.settings import GitSettings, Target

T = TypeVar("T")
HISTORY = 50
"""GitOps commits that the first look brings; older deploys take one more."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The newest deploy of a service, as its GitOps commit has it.

    Args:
        commit: the GitOps commit.
        source: the commit that the image was built from; None where the trailers name none for it.
        author: who made the commit, and `run` the pipeline's run.
        date: when, as ISO 8601.
        subject: its first line.
        tag: what the values file names now, which may be somebody's later edit.
    """

    commit: str
    source: str | None
    author: str
    run: str
    date: str
    subject: str
    tag: str


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All that one screen says of one service.

    Args:
        target: the service.
        app: Argo CD's Application, or why there is none.
        workload: None before it exists.
        deployment: from the GitOps history, or why it could not be read; None where no deploy is in it.
        held: what the GitOps repository keeps away from the service, or why that could not be read.
    """

    target: Target
    app: Application | DeliveryError
    workload: Workload | DeliveryError | None
    deployment: Deployment | DeliveryError | None
    held: tuple[Hold, ...] | DeliveryError = ()

    @property
    def images(self) -> list[Json]:
        """Each image that runs, with its digest and the time since when its oldest pod does."""
        found: dict[tuple[str, str], str] = {}
        for pod in self._pods:
            digest = proof.image_id(pod, self.target).partition("@")[2]
            since = str(proof.evidence(pod, self.target)["started_at"])
            for image in pods.images(pod, self.target):
                key = (image.tag or image.digest, digest)
                found[key] = min(filter(None, (found.get(key, ""), since)), default="")
        return [{"tag": tag, "digest": digest, "since": since} for (tag, digest), since in found.items()]

    @property
    def step(self) -> str:
        """Where a Rollout is on the way to its new version; empty where it is not on the way."""
        if self.target.workload_kind != ROLLOUT or not isinstance(self.workload, Workload):
            return ""
        stuck = progressive.gave_up(self.workload, self.target)
        found = progressive.step(self.workload)
        go_on = f": {progressive.promotion(self.target)}" if found.by_hand else ""
        return stuck.cause if stuck else f"{found.line}{go_on}"

    @property
    def _pods(self) -> Sequence[Json]:
        if self.workload is None or isinstance(self.workload, DeliveryError):
            return ()
        return [pod for pod in self.workload.pods if pods.alive(pod)]

    @property
    def document(self) -> Json:
        """The same as JSON values."""
        count = None
        if self.workload is not None and not isinstance(self.workload, DeliveryError):
            count = {"ready": self.workload.count.ready, "wanted": self.workload.count.wanted}
        return {
            "service": self.target.service,
            "environment": self.target.environment,
            "namespace": self.target.namespace,
            "workload": f"{self.target.workload_kind}/{self.target.workload_name}",
            "images": self.images,
            "deployment": _or_problem(self.deployment, lambda one: dict(vars(one))),
            "holds": _or_problem(self.held, lambda held: [dict(vars(one)) for one in held]),
            "argocd": _or_problem(self.app, _argocd),
            "replicas": _or_problem(self.workload, lambda _: count),
            "rollout": self.step or None,
            "pods": [_pod(pod, self.target) for pod in self._pods],
        }

    def text(self) -> str:
        """Return the screen of one service."""
        target = self.target
        what = f"{target.workload_kind}/{target.workload_name}"
        lines = [*self._running(), *self._deployed()]
        if isinstance(self.held, DeliveryError):
            lines.append(f"held        unknown: {self.held.cause}")
        else:
            lines += [f"held        {one.line()}" for one in self.held]
        lines += self._argocd()
        if isinstance(self.workload, DeliveryError):
            lines.append(f"pods        unknown: {self.workload.cause}")
        elif self.workload is None:
            lines.append(f"pods        {what} does not exist in namespace {target.namespace}")
        else:
            count = self.workload.count
            lines.append(
                f"pods        {what} in namespace {target.namespace}: "
                f"{count.ready} of {count.wanted} pods ready"
            )
            lines += [f"            {self.step}"] if self.step else []
            lines += [f"            {_pod_line(_pod(pod, target))}" for pod in self.workload.pods]
        return "\n".join(lines)

    def _running(self) -> list[str]:
        found = self.images
        if not found:
            return ["runs        nothing"]
        return [
            f"{'runs' if index == 0 else 'and':<10}  {one['tag']}, {one['digest'] or 'no digest yet'}"
            + (f", since {one['since']}" if one["since"] else "")
            for index, one in enumerate(found)
        ]

    def _deployed(self) -> list[str]:
        found = self.deployment
        if found is None:
            return ["deployed    by no commit that Slipway made"]
        if isinstance(found, DeliveryError):
            return [f"deployed    unknown: {found.cause}"]
        source = f"source commit {found.source}" if found.source else "no source commit is named"
        run = f", run {found.run}" if found.run else ""
        lines = [
            f"deployed    {found.date} by {found.author}{run}: {found.subject}",
            f"            GitOps commit {found.commit}, {source}",
        ]
        if found.tag and found.source and not found.source.startswith(found.tag):
            lines.append(f"            the values file names {found.tag}: it was edited since")
        return lines

    def _argocd(self) -> list[str]:
        if isinstance(self.app, DeliveryError):
            return [f"Argo CD     unknown: {self.app.cause}"]
        complaints = self.app.complaints()
        lines = [f"Argo CD     {self.target.app} {self.app.summary()}"]
        if there := suspension.read(self.app):
            lines.append(f"            automated sync is {there.line()}: {undo.resume_command(self.target)}")
        return [*lines, f"            {complaints}"] if complaints else lines


def _or_problem(value: Any, document: Callable[[Any], Any]) -> Any:
    if isinstance(value, DeliveryError):
        return {"error": value.cause}
    return None if value is None else document(value)


def _argocd(app: Application) -> Json:
    return {
        "application": app.body["metadata"]["name"],
        "sync": app.sync_status,
        "health": app.health,
        "revisions": list(app.revisions),
        "operation": app.phase,
        "complaints": app.complaints(),
    }


def _pod(pod: Json, target: Target) -> Json:
    shown = proof.evidence(pod, target)
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return {
        "name": shown["name"],
        "state": pods.state(pod),
        "node": shown["node"],
        "restarts": sum(status.get("restartCount", 0) for status in statuses),
        "startedAt": shown["started_at"],
        "images": [str(container.get("image")) for container in pod["spec"]["containers"]],
        "imageId": shown["image_id"],
    }


def _pod_line(pod: Json) -> str:
    since = f" since {pod['startedAt']}" if pod["startedAt"] else ""
    times = f", {pod['restarts']} restart{'' if pod['restarts'] == 1 else 's'}"
    return f"{pod['name']}: {pod['state']}{since}{times}, {', '.join(pod['images'])}"


def screen(found: Sequence[Overview]) -> str:
    """Return the services' screens below each other."""
    return "\n\n".join(f"{one.target.service}:\n{one.text()}" for one in found)


async def overviews(
    targets: Sequence[Target],
    *,
    kube: KubeClient,
    applications: Applications,
    repository: Callable[[], Awaitable[GitSettings]],
    protocols: tuple[str, ...] = git.SAFE_PROTOCOLS,
) -> list[Overview]:
    """Return what runs of each service; what cannot be read is said in its place and hides nothing else.

    Args:
        targets: the services.
        kube: the cluster.
        applications: Argo CD's.
        repository: the GitOps repository and its account.
        protocols: transports that git may use.
    """
    apps: dict[str, Application | DeliveryError] = {}
    workloads: dict[str, Workload | DeliveryError | None] = {}
    deployments: dict[str, Deployment | DeliveryError | None] = {}
    held: dict[str, tuple[Hold, ...] | DeliveryError] = {}

    async def history() -> None:
        try:
            async with git.clone(await repository(), protocols=protocols, depth=HISTORY) as copy:
                await copy.fetch()
                for target in targets:
                    deployments[target.service] = await _kept(deployment(copy, target))
                    held[target.service] = await _kept(holds.read(copy, target.values))
        except DeliveryError as error:
            deployments.update({target.service: error for target in targets})

    async def cluster() -> None:
        for target in targets:
            apps[target.service] = await _kept(applications.read(target))
            workloads[target.service] = await _kept(read_workload(kube, target))

    await together(history, cluster)
    return [
        Overview(
            target=target,
            app=apps[target.service],
            workload=workloads[target.service],
            deployment=deployments[target.service],
            held=held.get(target.service, ()),
        )
        for target in targets
    ]


async def _kept(reading: Awaitable[T]) -> T | DeliveryError:
    try:
        return await reading
    except DeliveryError as error:
        return error


async def deployment(copy: Clone, target: Target) -> Deployment | None:
    """Return the newest deploy in the history of a service's values file, None where there is none."""
    found = await copy.last_commit(target.values, trailer=SOURCE_COMMIT)
    if found is None:
        return None
    made = await copy.commit_of(found.commit)
    runs = trailers_of(made.message, RUN)
    data = (await copy.read([target.values]))[target.values]
    return Deployment(
        commit=found.commit,
        source=source_of(found.values, target.app),
        author=quote(made.author, limit=120),
        run=quote(runs[0], limit=80) if runs else "",
        date=made.when,
        subject=quote(made.message.partition("\n")[0], limit=200),
        tag=values.read_tag(data) or "",
    )
