"""Argo Rollouts: the controller of canaries and blue-green deployments, beside the cluster as Argo CD is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_lab import golang, kubernetes
from slipway_lab.layout import HOST
from slipway_lab.pins import GO_PROGRAMS
from slipway_lab.sandbox import listening

if TYPE_CHECKING:
    from slipway_lab.layout import Layout
    from slipway_lab.sandbox import Sandbox

NAMESPACE = "argo-rollouts"
NAME = "argo-rollouts"
HEALTH_PORT = 8091
METRICS_PORT = 8090
KINDS = ("rollouts", "analysisruns", "analysistemplates", "clusteranalysistemplates", "experiments")


def _define(layout: Layout) -> None:
    """Define the kinds, unless they are: 3 MB of schemas take the API server some seconds."""
    program = next(program for program in GO_PROGRAMS if program.name == "rollouts")
    part, mark = golang.folder_of(layout, program), layout.state / "rollouts"
    if mark.exists() and mark.read_text() == part.name:
        return
    files = str(part / "files")
    kubernetes.kubectl(layout, "apply", "--server-side", "--force-conflicts", "-f", files, timeout_s=60)
    for kind in KINDS:
        kubernetes.wait_served(layout, f"{kind}.argoproj.io", deadline_s=30)
    kubernetes.apply(layout, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    mark.write_text(part.name)


def start(sandbox: Sandbox) -> None:
    """Define its kinds, and start the controller."""
    layout = sandbox.layout
    if sandbox.daemon(NAME) is None:
        # Without them, the controller ends at once.
        _define(layout)
    sandbox.start(
        NAME,
        [
            layout.bin / "argo-rollouts",
            f"--kubeconfig={kubernetes.kubeconfig_path(layout, 'argocd')}",
            f"--namespace={NAMESPACE}",
            "--leader-elect=false",
            f"--healthzPort={HEALTH_PORT}",
            f"--metricsPort={METRICS_PORT}",
            "--loglevel=info",
        ],
        ready=lambda: listening(HOST, HEALTH_PORT),
        deadline_s=60,
    )
