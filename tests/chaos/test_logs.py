"""Fault 100: a pod that has written far too much is quoted by a few bytes of its end."""

import json
import resource

from chaos.conftest import Note, Scale
from slipway_host.kube import KubeClient
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout

WRITE = """
import sys
line = "x" * 1023 + "\\n"
for _ in range({megabytes}):
    sys.stdout.write(line * 1024)
print("the end", flush=True)
"""
LIMIT = 4096


async def test_the_end_of_a_huge_log_costs_little(
    layout: Layout, kube: KubeClient, namespace: str, scale: Scale, note: Note
) -> None:
    kubectl(layout, "create", "namespace", namespace)
    container = {
        "name": "app",
        "image": "docker.io/library/python:3.13-slim",
        "command": ["python3", "-c", WRITE.format(megabytes=scale.log_megabytes)],
    }
    spec = {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 1}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "loud", "namespace": namespace}}
    # The namespace's own account comes a moment after the namespace.
    spec["automountServiceAccountToken"] = False
    kubectl(layout, "apply", "-f", "-", stdin=json.dumps({**pod, "spec": spec}))
    done = "jsonpath={.status.phase}=Succeeded"
    words = ("-n", namespace, "wait", "pod/loud", f"--for={done}", "--timeout=300s")
    kubectl(layout, *words, timeout_s=310)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = await kube.pod_log(namespace, "loud", "app", limit_bytes=LIMIT)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    note("huge log", {"log MB": scale.log_megabytes, "read bytes": len(text), "memory KiB": grown})
    assert len(text) <= LIMIT
    assert text.endswith("the end\n")
    assert grown < 16 * 1024
