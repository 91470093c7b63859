"""Walk from the commit to what runs, and name the first link that does not hold, with its fix (R18).

Everything is read; the one thing that may be written is Argo CD's refresh annotation, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host import diagnosis_argocd, diagnosis_cluster, diagnosis_release, diagnosis_runs
from slipway_host.diagnosis_case import BrokenLinkError, Unknown
from slipway_host.errors import DeliveryError, TerminalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway_host.diagnosis_case import Case

LINKS: dict[str, Callable[[Case], Awaitable[str | Unknown | None]]] = {
    "commit": diagnosis_release.commit,
    "tests": diagnosis_runs.tests,
    "build": diagnosis_runs.build,
    "scan": diagnosis_runs.scan,
    "push": diagnosis_runs.push,
    "values": diagnosis_release.named,
    "registry": diagnosis_release.image,
    "application": diagnosis_argocd.application,
    "sync": diagnosis_argocd.synced,
    "workload": diagnosis_cluster.workload,
    "pods": diagnosis_cluster.running,
    "health": diagnosis_cluster.healthy,
    "smoke": diagnosis_cluster.smoked,
    "load": diagnosis_cluster.loaded,
    "proof": diagnosis_cluster.proven,
}
"""In the order in which a deploy goes through them. What says None is no link of this service's chain."""
WIDTH = max(map(len, LINKS))


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link of the chain as it was found: ok, broken, under way or unknown.

    `said` is what it holds on, why it does not, or why nobody can tell.
    """

    name: str
    status: str
    said: str


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What the walk has found.

    Args:
        service: key in `slipway.yaml`.
        environment: its name.
        links: those that were walked, in order.
        notes: what is worth knowing and breaks nothing.
        error: what is wrong with the last link; None where all hold.
    """

    service: str
    environment: str
    links: tuple[Link, ...]
    notes: tuple[str, ...]
    error: DeliveryError | None

    @property
    def evidence(self) -> str:
        """What others said of the broken link."""
        return self.error.evidence if isinstance(self.error, BrokenLinkError) else ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        broken = self.links[-1].name if self.error else None
        return {
            "service": self.service,
            "environment": self.environment,
            "healthy": self.error is None,
            "broken": broken,
            "cause": self.error.cause if self.error else None,
            "evidence": self.evidence or None,
            "fix": self.error.next_command if self.error else None,
            "notes": list(self.notes),
            "links": [{"link": one.name, "status": one.status, "said": one.said} for one in self.links],
        }

    def text(self) -> str:
        """Return the walk for people."""
        marks = {"ok": "✓", "broken": "✗", "under way": "…", "unknown": "?"}
        lines = [f"{marks[one.status]} {one.name:<{WIDTH}}  {one.said}" for one in self.links]
        indent = " " * (WIDTH + 4)
        if self.evidence:
            lines.append(f"{indent}{self.evidence}")
        lines += [f"note: {note}" for note in self.notes]
        if self.error:
            lines.append(f"fix: {self.error.next_command}")
        return "\n".join(lines)

    def failure(self) -> TerminalError | None:
        """Return the one line that ends the call where a link does not hold."""
        if self.error is None:
            return None
        link = self.links[-1]
        verb = "is under way" if link.status == "under way" else "is broken"
        said = f": {self.evidence}" if self.evidence else ""
        return TerminalError(
            f"{link.name} {verb}: {self.error.cause.rstrip('.')}{said}",
            next_command=self.error.next_command,
        )


async def diagnose(case: Case) -> Diagnosis:
    """Walk the links of one service until one does not hold; expected failures are findings, not errors."""
    links: list[Link] = []
    failed: DeliveryError | None = None
    for name, look in LINKS.items():
        try:
            said = await look(case)
        except DeliveryError as error:
            error.next_command = error.next_command or case.again
            under_way = isinstance(error, BrokenLinkError) and error.under_way
            links.append(Link(name=name, status="under way" if under_way else "broken", said=error.cause))
            failed = error
            break
        if isinstance(said, Unknown):
            links.append(Link(name=name, status="unknown", said=said.said))
        elif said is not None:
            links.append(Link(name=name, status="ok", said=said))
    return Diagnosis(
        service=case.target.service,
        environment=case.target.environment,
        links=tuple(links),
        notes=tuple(case.notes),
        error=failed,
    )
