"""What a report shows of one run, read from its receipt and compared with the receipts before it.

A receipt may be of an older release: what it lacks is absent here, and the page says so.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host import figures

if TYPE_CHECKING:
    from collections.abc import Mapping

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")
SCANS = {"scan-image": "image", "scan-source": "source"}

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """One stage; `start` is in seconds since the run began, None where nobody wrote it down."""

    name: str
    status: str
    start: float | None
    seconds: float
    summary: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a service did not arrive: stage, cause, what landed all the same, and the next command."""

    stage: str
    cause: str
    landed: str
    next_command: str


@dataclass(frozen=True, kw_only=True)
class SeverityRow:
    """How many findings of a severity there are now, and were before; None without a scan to compare with."""

    severity: str
    count: int
    before: int | None

    @property
    def change(self) -> str:
        """The difference with its sign; empty without one to compare with."""
        if self.before is None:
            return ""
        return figures.signed(self.count - self.before, str(abs(self.count - self.before)))


@dataclass(frozen=True, kw_only=True)
class Findings:
    """One scan's findings by severity, gravest first.

    Args:
        what: `image` or `source`.
        rows: severities that have a finding now or had one before.
        worst: the gravest, a line each.
        suppressed: how many the ignore file hides.
        end_of_life: an operating system without security updates; empty where it has them.
        said: the scan's own line.
    """

    what: str
    rows: tuple[SeverityRow, ...]
    worst: tuple[str, ...]
    suppressed: int
    end_of_life: str
    said: str

    @property
    def compared(self) -> bool:
        """Whether there is a scan before to compare with."""
        return any(row.before is not None for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer, in compressed bytes."""

    digest: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image for one platform, and the last deploy's for the same one (no layers: there was none)."""

    platform: str
    layers: tuple[Layer, ...]
    before: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Compressed bytes of all layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def new(self) -> frozenset[str]:
        """Digests of the layers that the last deploy's image did not have."""
        return frozenset(layer.digest for layer in self.layers) - {layer.digest for layer in self.before}

    @property
    def download(self) -> int:
        """Compressed bytes that a node with the last deploy's image has to load."""
        return sum(layer.size for layer in self.layers if layer.digest in self.new)

    @property
    def change(self) -> str:
        """The size's difference to the last deploy's; empty without one."""
        if not self.before:
            return ""
        difference = self.size - sum(layer.size for layer in self.before)
        return figures.signed(difference, figures.size(abs(difference)))


@dataclass(frozen=True, kw_only=True)
class ServiceFacts:
    """One service of the run.

    Args:
        name: key in `slipway.yaml`.
        status: Deployed, Rolled back, Unchanged, Waiting or Failed.
        app: the Argo CD Application.
        namespace: of the pods.
        digest: of the image; empty where the run did not get that far.
        revision: what Argo CD had synced at the proof.
        pods: names of the ready pods of the proof.
        pull_request: its address, where there is one.
        failure: of a failed one.
        last: the deploy that this one is compared with, `3f2a91bc of 24 Nov 2026, 05:15 UTC`; empty without.
        stages: in the chain's order.
        findings: of each scan.
        images: one for each platform.
    """

    name: str
    status: str
    app: str
    namespace: str
    digest: str
    revision: str
    pods: tuple[str, ...]
    pull_request: str
    failure: Failure | None
    last: str
    stages: tuple[StageFacts, ...]
    findings: tuple[Findings, ...]
    images: tuple[Image, ...]


def service_facts(
    document: Mapping[str, Any], service: Mapping[str, Any], before: Mapping[str, Any] | None
) -> ServiceFacts:
    """Return what a report shows of one service.

    Args:
        document: the run's receipt.
        service: its part of this service.
        before: the receipt of the service's last deploy before this run, of that one service alone.
    """
    began = dt.datetime.fromisoformat(document["startedAt"])
    old = before["services"][0] if before else {}
    status = service["status"]
    return ServiceFacts(
        name=service["service"],
        status="Rolled back" if service.get("rollback") and status == "Deployed" else status,
        app=service.get("app", ""),
        namespace=service.get("namespace", ""),
        digest=service.get("digest", ""),
        revision=service.get("argocdRevision", ""),
        pods=tuple(pod["name"] for pod in service.get("pods", ())),
        pull_request=service.get("pullRequest", ""),
        failure=failure(str(service["error"])) if service.get("error") else None,
        last=f"{before['tag']} of {figures.moment(before['startedAt'])}" if before else "",
        stages=_stages(service, began),
        findings=tuple(
            _findings(what, stage, _stage(old, name))
            for name, what in SCANS.items()
            if (stage := _stage(service, name)) and "counts" in stage.get("outputs", {})
        ),
        images=_images(service, old),
    )


def _stage(service: Mapping[str, Any], name: str) -> Document:
    found = (stage for stage in service.get("stages", ()) if stage["stage"] == name)
    return next(found, {})


def _stages(service: Mapping[str, Any], began: dt.datetime, prefix: str = "") -> tuple[StageFacts, ...]:
    found = [
        StageFacts(
            name=f"{prefix}{stage['stage']}",
            status=stage["status"],
            start=_since(began, stage.get("startedAt", "")),
            seconds=stage["seconds"],
            summary=stage["summary"],
        )
        for stage in service["stages"]
    ]
    back = service.get("automaticRollback")
    return (*found, *(_stages(back, began, "back: ") if back else ()))


def _since(began: dt.datetime, text: str) -> float | None:
    # Clocks are read at the end of a stage and of the run: rounding may go below nothing.
    return max(0.0, (dt.datetime.fromisoformat(text) - began).total_seconds()) if text else None


def failure(line: str) -> Failure:
    """Take an error's line apart: `stage: cause. Landed: … Next: …`."""
    head, _, rest = line.partition(" Landed: ")
    landed, _, command = rest.partition(". Next: ")
    stage, colon, cause = head.partition(": ")
    return Failure(
        stage=stage if colon else "",
        cause=cause if colon else head,
        landed=landed.rstrip("."),
        next_command=command,
    )


def _findings(what: str, stage: Document, before: Document) -> Findings:
    outputs = stage["outputs"]
    counts, old = outputs["counts"], before.get("outputs", {}).get("counts")
    rows = [
        SeverityRow(
            severity=name, count=counts.get(name, 0), before=None if old is None else old.get(name, 0)
        )
        for name in SEVERITIES
    ]
    return Findings(
        what=what,
        rows=tuple(row for row in rows if row.count or row.before),
        worst=tuple(outputs.get("worst", ())),
        suppressed=len(outputs.get("suppressed", ())),
        end_of_life=outputs.get("os", "") if outputs.get("endOfLife") else "",
        said=stage["summary"],
    )


def _images(service: Mapping[str, Any], old: Mapping[str, Any]) -> tuple[Image, ...]:
    def layers(of: Mapping[str, Any]) -> dict[str, tuple[Layer, ...]]:
        kept = _stage(of, "push").get("outputs", {}).get("layers", {})
        return {
            platform: tuple(Layer(digest=layer["digest"], size=layer["size"]) for layer in found)
            for platform, found in kept.items()
        }

    before = layers(old)
    return tuple(
        Image(platform=platform, layers=found, before=before.get(platform, ()))
        for platform, found in layers(service).items()
        if found
    )
