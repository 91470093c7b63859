"""Argo CD's Application: what it says of itself.

Relied on, from the controller's source (3.2): an operation exists for as long as `.operation` does,
and the refresh annotation goes once its comparison is stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from slipway_host import waiting
from slipway_host.comparison import reason
from slipway_host.errors import quote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.pods import Json
    from slipway_host.progress import Report

GROUP = "/apis/argoproj.io/v1alpha1"
REFRESH = "argocd.argoproj.io/refresh"
RETRIES = 2
"""What failed that often fails for good: a webhook or a CRD that comes up has come up by then."""
FAILED = frozenset({"Failed", "Error"})


@dataclass(frozen=True)
class Application:
    """An Application's own words, each under the name that Argo CD gives it.

    Args:
        body: the object.
        server: host of Argo CD's own API, where it was read there; people then look at it there, too.
    """

    body: Json
    server: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The namespace that it is in."""
        return str(self.body["metadata"]["namespace"])

    @property
    def status(self) -> Json:
        """All of the status; empty before the controller's first look."""
        return dict(self.body.get("status") or {})

    @property
    def sync_status(self) -> str:
        """Synced, OutOfSync or Unknown."""
        return str(self.status.get("sync", {}).get("status", "Unknown"))

    @property
    def health(self) -> str:
        """Healthy, Progressing, Degraded, Suspended, Missing or Unknown."""
        return str(self.status.get("health", {}).get("status", "Unknown"))

    @property
    def revisions(self) -> tuple[str, ...]:
        """What the live state was last compared with: one revision for each source."""
        return _revisions(self.status.get("sync", {}))

    @property
    def reconciled_at(self) -> str:
        """When the controller last stored a comparison."""
        return str(self.status.get("reconciledAt", ""))

    @property
    def refreshing(self) -> bool:
        """Whether a refresh was asked for and not yet done."""
        return REFRESH in self.body["metadata"].get("annotations", {})

    @property
    def operation(self) -> Json | None:
        """The operation that is requested or running.

        A phase Running without it is an orphan, which no controller ever finishes.
        """
        return self.body.get("operation") or None

    @property
    def last(self) -> Json:
        """The state of the latest operation, running or ended (`operationState`)."""
        return dict(self.status.get("operationState") or {})

    @property
    def phase(self) -> str:
        """Running, Succeeded, Failed, Error or Terminating; empty before the first operation."""
        return str(self.last.get("phase", ""))

    @property
    def failing(self) -> str:
        """What Argo CD says of a running operation that failed and is tried again; empty for any other."""
        tries = self.last.get("retryCount", 0) if self.operation and self.phase == "Running" else 0
        return quote(str(self.last.get("message", ""))) if tries >= RETRIES else ""

    @property
    def operated(self) -> tuple[str, ...]:
        """The revisions of the latest operation's result."""
        return _revisions(self.last.get("syncResult") or {})

    @property
    def automated(self) -> bool:
        """Whether Argo CD syncs by itself."""
        policy = (self.body["spec"].get("syncPolicy") or {}).get("automated")
        return policy is not None and policy.get("enabled", True) is not False

    @property
    def project(self) -> str:
        """The AppProject that it belongs to."""
        return str(self.body["spec"].get("project") or "default")

    @property
    def window(self) -> str:
        """What Argo CD says of a sync window that holds the running operation back; empty where none does."""
        message = quote(str(self.last.get("message", "")), limit=200)
        return message if self.operation and self.phase == "Running" and "sync window" in message else ""

    def errors(self) -> list[tuple[str, str]]:
        """Return the conditions that are errors, by type and message (fault 82)."""
        given = self.status.get("conditions") or []
        found = [(str(one.get("type", "")), reason(str(one.get("message", "")))) for one in given]
        return [(kind, message) for kind, message in found if kind.endswith("Error")]

    @property
    def initiator(self) -> str:
        """Who started the operation that runs."""
        by = (self.operation or {}).get("initiatedBy", {})
        if by.get("automated"):
            return "Argo CD's automated sync"
        return quote(str(by.get("username") or "somebody unnamed"), limit=80)

    def requested(self, request: str) -> bool:
        """Say whether the operation that is requested or running is the one with this mark."""
        return _marked(self.operation or {}, request)

    def taken_up(self, request: str) -> bool:
        """Say whether the controller's latest operation is the one with this mark."""
        return _marked(self.last.get("operation") or {}, request)

    @property
    def command(self) -> str:
        """What shows all of it."""
        if self.server:
            return self._at_server("get")
        return f"kubectl -n {self.namespace} get application {self.name} -o yaml"

    @property
    def edit_command(self) -> str:
        """What opens it in an editor."""
        if self.server:
            return self._at_server("edit")
        return f"kubectl -n {self.namespace} edit application {self.name}"

    def patch_command(self, spec: Json) -> str:
        """Return what changes some of its spec."""
        words = json.dumps({"spec": spec}, separators=(",", ":"))
        if self.server:
            return f"{self._at_server('patch')} --type=merge --patch='{words}'"
        return f"kubectl -n {self.namespace} patch application {self.name} --type=merge -p '{words}'"

    def _at_server(self, verb: str) -> str:
        return f"argocd app {verb} {self.name} --app-namespace={self.namespace} --server={self.server}"

    @property
    def project_command(self) -> str:
        """What shows its project, with the sync windows."""
        if self.server:
            return f"argocd proj get {self.project} --server={self.server}"
        return f"kubectl -n {self.namespace} get appproject {self.project} -o yaml"

    def summary(self) -> str:
        """Return sync status with revisions, health and phase on one line."""
        at = ", ".join(revision[:8] for revision in self.revisions)
        phase = f", last operation {self.phase}" if self.phase else ""
        return f"{self.sync_status}{' at ' + at if at else ''}, {self.health}{phase}"

    def unhealthy(self) -> str:
        """Return the resources that keep the whole from being Healthy."""
        found = [(one, one.get("health") or {}) for one in self.status.get("resources") or []]
        told = [
            f"{_resource(one)} is {health['status']}: {health.get('message', '')}".rstrip(": ")
            for one, health in found
            if health.get("status") not in {None, "Healthy", "Suspended"}
        ]
        return quote("; ".join(told[:5]))

    def complaints(self) -> str:
        """Return what Argo CD has to say against itself, once: operation, resources, conditions (82)."""
        result = (self.last.get("syncResult") or {}).get("resources") or []
        failing = [
            item for item in result if item.get("status") == "SyncFailed" or item.get("hookPhase") in FAILED
        ]
        found = [reason(str(self.last.get("message", "")))] if self.phase != "Succeeded" else []
        found += [f"{_resource(item)}: {item.get('message', '')}" for item in failing[:3]]
        found += [f"{kind}: {message}" for kind, message in self.errors() if message not in found]
        if self.sync_status == "OutOfSync":
            resources = self.status.get("resources") or []
            drift = [_resource(item) for item in resources if item.get("status") == "OutOfSync"]
            found.append(f"OutOfSync: {', '.join(drift[:5])}" if drift else "")
        return quote("; ".join(dict.fromkeys(filter(None, found))))

    def conditions(self) -> str:
        """Return the errors that Argo CD has with the Application itself, its source above all."""
        return quote("; ".join(f"{kind}: {message}" for kind, message in self.errors()))


def _marked(operation: Json, request: str) -> bool:
    return any(item.get("value") == request for item in operation.get("info") or [])


def _revisions(body: Json) -> tuple[str, ...]:
    found = body.get("revisions") or [body.get("revision")]
    return tuple(str(revision) for revision in found if revision)


def _resource(item: Json) -> str:
    return f"{item.get('kind', '')}/{item.get('name', '')}"


class Holds:
    """Says whether one of several revisions has our commit; asks Git once for each revision."""

    def __init__(self, commit: str, contains: Callable[[str], Awaitable[bool]]) -> None:
        self._known = {commit: True}
        self._contains = contains

    async def one_of(self, revisions: tuple[str, ...], report: Report) -> str:
        """Return the revision that is our commit or a descendant; empty if none is."""
        for revision in revisions:
            if revision not in self._known:
                ask = partial(self._contains, revision)
                self._known[revision] = await waiting.patiently(ask, report)
            if self._known[revision]:
                return revision
        return ""
