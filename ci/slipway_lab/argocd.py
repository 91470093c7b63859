"""Argo CD: application controller, repository server and its own API, watching the GitOps repository.

They run beside the cluster instead of in it, which their own switch ARGOCD_FAKE_IN_CLUSTER is for; what they
read and write is the cluster's API, as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_lab import argocd_token, credentials, golang, kubernetes
from slipway_lab.errors import LabError
from slipway_lab.layout import GIT, HOST
from slipway_lab.pins import GO_PROGRAMS
from slipway_lab.sandbox import listening

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout
    from slipway_lab.sandbox import Sandbox

NAMESPACE = "argocd"
GITOPS = "mosuon/mosuon-devops-k8s"
PART_OF = {"app.kubernetes.io/part-of": "argocd"}
REDIS_PORT = 6379
REPO_SERVER_PORT = 8081
SERVER_PORT = 8443
URL = f"https://{HOST}:{SERVER_PORT}"
PARTS = ("argocd-repo-server", "argocd-application-controller", "argocd-server")


def _config_map(name: str, data: dict[str, str]) -> dict[str, object]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": PART_OF}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _secret(name: str, labels: dict[str, str], data: dict[str, str], **more: object) -> dict[str, object]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data, **more}


def _configure(layout: Layout) -> None:
    program = next(program for program in GO_PROGRAMS if program.name == "argocd")
    crds = golang.folder_of(layout, program) / "files"
    kubernetes.kubectl(layout, "apply", "--server-side", "--force-conflicts", "-f", str(crds), timeout_s=60)
    for resource in ("applications.argoproj.io", "appprojects.argoproj.io"):
        kubernetes.wait_served(layout, resource, deadline_s=30)
    authority, pki = layout.ca.read_text(), layout.state / "pki"
    account = argocd_token.ACCOUNT
    kubernetes.apply(
        layout,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _config_map(
            "argocd-cm",
            {"timeout.reconciliation": "180s", "admin.enabled": "false", f"accounts.{account}": "apiKey"},
        ),
        _config_map("argocd-rbac-cm", {"policy.csv": f"{argocd_token.POLICY}g, {account}, role:pipeline\n"}),
        _config_map("argocd-gpg-keys-cm", {}),
        _config_map("argocd-ssh-known-hosts-cm", {"ssh_known_hosts": ""}),
        _config_map("argocd-tls-certs-cm", {HOST: authority}),
        _secret(
            "argocd-secret",
            PART_OF,
            {
                "server.secretkey": credentials.read(layout, "jwt"),
                **argocd_token.registration(account),
            },
        ),
        _secret(
            "argocd-server-tls",
            PART_OF,
            {"tls.crt": (pki / "server.pem").read_text(), "tls.key": (pki / "server.key").read_text()},
            type="kubernetes.io/tls",
        ),
        _secret(
            "gitops-repository",
            {"argocd.argoproj.io/secret-type": "repository"},
            {
                "type": "git",
                "url": f"{GIT}/{GITOPS}.git",
                "username": credentials.GIT_READER,
                "password": credentials.read(layout, "git-reader"),
            },
        ),
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": "default", "namespace": NAMESPACE},
            "spec": {
                "sourceRepos": ["*"],
                "destinations": [{"namespace": "*", "server": "*"}],
                "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
            },
        },
    )


def _start_as(sandbox: Sandbox, name: str, arguments: list[str], ready_port: int) -> None:
    layout = sandbox.layout
    folder = layout.run / "argocd"
    for path in (folder / "tls", folder / "ssh", folder / "gpg", folder / "plugins"):
        path.mkdir(parents=True, exist_ok=True)
    # One binary that knows by its name which part it is.
    link: Path = folder / name
    if not link.is_symlink():
        link.symlink_to((layout.bin / "argocd").resolve())
    (folder / "tls" / HOST).write_text(layout.ca.read_text())
    sandbox.start(
        name,
        [link, *arguments],
        env={
            "PATH": f"{layout.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "KUBECONFIG": str(kubernetes.kubeconfig_path(layout, "argocd")),
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
            "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
            "ARGOCD_PLUGINSOCKFILEPATH": str(folder / "plugins"),
            "HOME": str(folder),
        },
        ready=lambda: listening(HOST, ready_port),
        deadline_s=60,
    )


def start(sandbox: Sandbox) -> None:
    """Start Redis, Argo CD's two parts that deploy, and the one that people and pipelines may ask."""
    layout = sandbox.layout
    argocd_token.ensure(layout)
    if any(sandbox.daemon(name) is None for name in PARTS):
        # The project has to exist before the controller starts, or its first look waits for minutes.
        _configure(layout)
    sandbox.start(
        "redis",
        ["redis-server", "--bind", "127.0.0.1", "--port", str(REDIS_PORT), "--save", ""],
        ready=lambda: sandbox.daemon("redis") is not None,
        deadline_s=10,
    )
    _start_as(
        sandbox,
        "argocd-repo-server",
        [
            f"--port={REPO_SERVER_PORT}",
            f"--address={HOST}",
            f"--metrics-address={HOST}",
            f"--redis=127.0.0.1:{REDIS_PORT}",
            "--loglevel=info",
        ],
        REPO_SERVER_PORT,
    )
    _start_as(
        sandbox,
        "argocd-application-controller",
        [
            f"--namespace={NAMESPACE}",
            f"--repo-server={HOST}:{REPO_SERVER_PORT}",
            f"--redis=127.0.0.1:{REDIS_PORT}",
            "--metrics-port=8082",
            "--loglevel=info",
        ],
        8082,
    )
    _start_as(
        sandbox,
        "argocd-server",
        [
            f"--namespace={NAMESPACE}",
            # Its own gateway asks it at localhost; from outside the lab, only its address is reached.
            "--address=0.0.0.0",
            f"--port={SERVER_PORT}",
            f"--metrics-address={HOST}",
            f"--repo-server={HOST}:{REPO_SERVER_PORT}",
            f"--redis=127.0.0.1:{REDIS_PORT}",
            "--loglevel=info",
        ],
        SERVER_PORT,
    )


def watch(layout: Layout, root_application: str) -> None:
    """Register the root application, which brings in every other one."""
    if not root_application.strip():
        raise LabError("the GitOps repository's seed has no root application")
    kubernetes.kubectl(
        layout, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=root_application
    )
