"""The cluster's one node: containerd, kubelet, kube-proxy and the cluster's DNS."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway_lab import kubernetes
from slipway_lab.errors import LabError
from slipway_lab.kubernetes import NODE, kubeconfig_path, kubectl
from slipway_lab.layout import HOST, MIRROR, POD_NETWORK
from slipway_lab.sandbox import listening

if TYPE_CHECKING:
    from slipway_lab.layout import Layout
    from slipway_lab.sandbox import Sandbox

SOCKET = "/run/containerd/containerd.sock"
CONTROL_GROUP = "slipway-lab"
CLUSTER_DNS = "10.96.0.10"
DNS_PORT = 1053
"""Not 53: the engine's own DNS takes that port on every address."""
PUBLIC_REGISTRIES = ("docker.io", "gcr.io", "ghcr.io", "registry.k8s.io")


def _containerd(layout: Layout) -> str:
    folder = layout.state / "node"
    return f"""
version = 2
root = "{folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  # Without CAP_SYS_RESOURCE, as in many virtual machines, a lower score than the parent's is refused.
  restrict_oom_score_adj = true
  sandbox_image = "registry.k8s.io/pause:3.10"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{folder}/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


def _configure(layout: Layout) -> None:
    folder = layout.state / "node"
    for name in PUBLIC_REGISTRIES:
        (folder / "registries" / name).mkdir(parents=True, exist_ok=True)
        text = (
            f'server = "https://{MIRROR}"\n[host."https://{MIRROR}"]\n  capabilities = ["pull", "resolve"]\n'
        )
        (folder / "registries" / name / "hosts.toml").write_text(text)
    network = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods0",
                "isDefaultGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_NETWORK}]]},
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    (folder / "cni").mkdir(exist_ok=True)
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(network))
    (folder / "containerd.toml").write_text(_containerd(layout))
    pki = layout.state / "pki"
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.pem"},
        },
        "authorization": {"mode": "Webhook"},
        "address": HOST,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CONTROL_GROUP}",
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "tlsCertFile": f"{pki}/server.pem",
        "tlsPrivateKeyFile": f"{pki}/server.key",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "clusterDNS": [CLUSTER_DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        "podLogsDir": f"{folder}/pod-logs",
        # By share of the disk, kubelet would evict every pod on a machine that is merely well used.
        "evictionHard": {
            "nodefs.available": "1Gi",
            "imagefs.available": "1Gi",
            "memory.available": "100Mi",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusReportFrequency": "1m",
        "syncFrequency": "10s",
    }
    (folder / "kubelet.json").write_text(json.dumps(kubelet))
    corefile = f"""
.:{DNS_PORT} {{
    bind {HOST}
    errors
    ready {HOST}:8181
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig_path(layout, "dns")}
        pods insecure
    }}
    forward . /etc/resolv.conf
    cache 5
}}
"""
    (folder / "Corefile").write_text(corefile)


def _publish_dns(layout: Layout) -> None:
    """Give the cluster's DNS its usual Service; its one end point is outside the cluster."""
    metadata: dict[str, Any] = {"name": "kube-dns", "namespace": "kube-system"}
    ports: list[dict[str, Any]] = [
        {"name": f"dns-{kind}", "port": 53, "protocol": kind.upper()} for kind in ("udp", "tcp")
    ]
    kubernetes.apply(
        layout,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"clusterIP": CLUSTER_DNS, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata | {"labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [HOST]}],
            "ports": [{**port, "port": DNS_PORT} for port in ports],
        },
    )


def _control_groups() -> None:
    """Make the group that holds all pods, under each controller (version 1) or once (version 2)."""
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        controllers = (top / "cgroup.controllers").read_text().split()
        group = top / CONTROL_GROUP
        group.mkdir(exist_ok=True)
        (top / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
        return
    for controller in top.iterdir():
        if controller.is_dir() and not controller.is_symlink():
            group = controller / CONTROL_GROUP
            group.mkdir(exist_ok=True)
            if controller.name.startswith("cpuset"):
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (group / name).write_text((controller / name).read_text())


def _ready(sandbox: Sandbox) -> bool:
    """Return whether the node is Ready, and by the word of the kubelet that runs now."""
    kubelet = sandbox.daemon("kubelet")
    conditions = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    lease = ("-n", "kube-node-lease", "get", "lease", NODE, "-o", "jsonpath={.spec.renewTime}")
    try:
        ready = kubectl(sandbox.layout, "get", "node", NODE, "-o", conditions) == "True"
        renewed = kubectl(sandbox.layout, *lease)
    except LabError:
        return False
    # After a restart, the status of the last run still stands there.
    return ready and kubelet is not None and _seconds(renewed) > kubelet.create_time()


def _seconds(timestamp: str) -> float:
    return dt.datetime.fromisoformat(timestamp).timestamp() if timestamp else 0


def start(sandbox: Sandbox) -> None:
    """Start the node's parts and wait until Kubernetes calls it Ready."""
    layout = sandbox.layout
    folder = layout.state / "node"
    folder.mkdir(parents=True, exist_ok=True)
    _configure(layout)
    _control_groups()
    sandbox.start(
        "containerd",
        ["containerd", "-c", folder / "containerd.toml", "--log-level", "warn"],
        ready=lambda: Path(f"/proc/{_pid(sandbox)}/root{SOCKET}").exists(),
        deadline_s=30,
    )
    sandbox.start(
        "coredns",
        [layout.bin / "coredns", "-conf", folder / "Corefile"],
        ready=lambda: listening(HOST, 8181),
        deadline_s=30,
    )
    _publish_dns(layout)
    sandbox.start(
        "kubelet",
        [
            layout.bin / "kubelet",
            f"--config={folder}/kubelet.json",
            f"--kubeconfig={kubeconfig_path(layout, 'kubelet')}",
            f"--hostname-override={NODE}",
            f"--node-ip={HOST}",
            f"--root-dir={folder}/kubelet",
        ],
        ready=lambda: _ready(sandbox),
        deadline_s=90,
    )
    # Last: it serves nothing before the node exists.
    sandbox.start(
        "kube-proxy",
        [
            layout.bin / "kube-proxy",
            f"--kubeconfig={kubeconfig_path(layout, 'proxy')}",
            f"--hostname-override={NODE}",
            "--proxy-mode=iptables",
            f"--cluster-cidr={POD_NETWORK}",
            f"--metrics-bind-address={HOST}:10249",
            # The machine's own limit stays as it is: a virtual machine may not let us change it.
            "--conntrack-max-per-core=0",
        ],
        ready=lambda: listening(HOST, 10249),
        deadline_s=20,
    )


def _pid(sandbox: Sandbox) -> int:
    first = sandbox.first
    return first.pid if first else 0
