"""The control plane of a one-node cluster: etcd, API server, controller manager, scheduler."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from slipway_lab import command
from slipway_lab.errors import LabError
from slipway_lab.layout import HOST, KUBERNETES, SERVICE_NETWORK
from slipway_lab.sandbox import POLL_S, listening

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout
    from slipway_lab.sandbox import Sandbox

NODE = "slipway-lab"
ACCOUNTS = {
    # account → (user, group): the names that Kubernetes' own roles are bound to.
    "admin": ("slipway-lab-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "dns": ("slipway-lab-dns", "system:masters"),
    "argocd": ("slipway-lab-argocd", "system:masters"),
    "deployer": ("slipway-deployer", "system:masters"),
}
ETCD = 2379


def kubeconfig_path(layout: Layout, account: str) -> Path:
    """Return where an account's kubeconfig is."""
    return layout.state / "kubernetes" / f"{account}.kubeconfig"


def _write_accounts(layout: Layout) -> None:
    folder = layout.state / "kubernetes"
    tokens = folder / "tokens.csv"
    if tokens.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority = base64.b64encode(layout.ca.read_bytes()).decode()
    rows = []
    for account, (user, group) in ACCOUNTS.items():
        token = secrets.token_hex(24)
        rows.append(f'{token},{user},{user},"{group}"' if group else f"{token},{user},{user}")
        cluster = {"server": KUBERNETES, "certificate-authority-data": authority}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "slipway-lab", "cluster": cluster}],
            "users": [{"name": account, "user": {"token": token}}],
            "contexts": [{"name": "slipway-lab", "context": {"cluster": "slipway-lab", "user": account}}],
            "current-context": "slipway-lab",
        }
        path = kubeconfig_path(layout, account)
        path.touch(mode=0o600)
        path.write_text(json.dumps(document, indent=1))
    tokens.touch(mode=0o600)
    tokens.write_text("\n".join(rows) + "\n")


def _answers(layout: Layout, path: str) -> bool:
    trust = ssl.create_default_context(cafile=str(layout.ca))
    try:
        with urllib.request.urlopen(f"{KUBERNETES}{path}", timeout=2, context=trust) as answer:  # noqa: S310
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
    except (urllib.error.URLError, OSError):
        return False


def start(sandbox: Sandbox) -> None:
    """Start the control plane and wait until the API server is ready."""
    layout = sandbox.layout
    _write_accounts(layout)
    folder, pki = layout.state / "kubernetes", layout.state / "pki"
    sandbox.start(
        "etcd",
        [
            "etcd",
            f"--data-dir={folder}/etcd",
            f"--listen-client-urls=http://127.0.0.1:{ETCD}",
            f"--advertise-client-urls=http://127.0.0.1:{ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--log-level=warn",
            # A lab may lose its last second in a power cut; it gains a quick disk.
            "--unsafe-no-fsync",
        ],
        ready=lambda: sandbox.daemon("etcd") is not None,
        deadline_s=20,
    )
    sandbox.start(
        "kube-apiserver",
        [
            layout.bin / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{ETCD}",
            f"--bind-address={HOST}",
            f"--advertise-address={HOST}",
            "--secure-port=6443",
            f"--tls-cert-file={pki}/server.pem",
            f"--tls-private-key-file={pki}/server.key",
            f"--client-ca-file={pki}/ca.pem",
            f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=Node,RBAC",
            f"--service-account-key-file={pki}/service-accounts.key",
            f"--service-account-signing-key-file={pki}/service-accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            f"--kubelet-certificate-authority={pki}/ca.pem",
            f"--kubelet-client-certificate={pki}/kubelet-client.pem",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--allow-privileged=true",
        ],
        ready=lambda: _answers(layout, "/readyz"),
        deadline_s=90,
    )
    for name, account, flags in (
        (
            "kube-controller-manager",
            "controller-manager",
            [
                f"--service-account-private-key-file={pki}/service-accounts.key",
                f"--root-ca-file={pki}/ca.pem",
                "--use-service-account-credentials=true",
            ],
        ),
        ("kube-scheduler", "scheduler", []),
    ):
        config = kubeconfig_path(layout, account)
        port = {"controller-manager": 10257, "scheduler": 10259}[account]
        sandbox.start(
            name,
            [
                layout.bin / name,
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}",
                f"--authorization-kubeconfig={config}",
                "--leader-elect=false",
                f"--bind-address={HOST}",
                *flags,
            ],
            ready=lambda port=port: listening(HOST, port),  # type: ignore[misc]
            deadline_s=60,
        )


def kubectl(layout: Layout, *arguments: str, stdin: str | None = None, timeout_s: float = 120) -> str:
    """Run kubectl as the cluster's administrator and return what it printed."""
    return command.run(
        [layout.bin / "kubectl", f"--kubeconfig={layout.kubeconfig}", *arguments],
        stdin=stdin,
        timeout_s=timeout_s,
    )


def apply(layout: Layout, *documents: object) -> None:
    """Create or change Kubernetes objects, as JSON-able documents."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    kubectl(layout, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listed))


def wait_served(layout: Layout, resource: str, *, deadline_s: float) -> None:
    """Wait until the API server serves a resource that was just defined."""
    until = time.monotonic() + deadline_s
    while True:
        try:
            kubectl(layout, "get", resource, "--all-namespaces", "-o", "name", timeout_s=10)
        except LabError:
            if time.monotonic() > until:
                raise
            time.sleep(POLL_S)
        else:
            return
