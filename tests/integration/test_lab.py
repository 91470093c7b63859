"""R32: the lab itself."""

import os
import subprocess
import sys

from slipway_lab import lab
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from slipway_lab.sandbox import Sandbox


def test_up_again_starts_nothing_anew(layout: Layout) -> None:
    def pids() -> dict[str, int]:
        found = {name: Sandbox(layout).daemon(name) for name in lab.DAEMONS}
        return {name: process.pid for name, process in found.items() if process}

    before = pids()
    done = subprocess.run(
        [sys.executable, "-m", "slipway_lab", "up"],
        env={**os.environ, "PYTHONPATH": "ci", "SLIPWAY_LAB": str(layout.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing changed" in done.stderr
    assert pids() == before
    assert set(before) == set(lab.DAEMONS)


def test_pods_resolve_service_names(layout: Layout) -> None:
    name = "postgresql.infra.svc.cluster.local"
    address = kubectl(
        layout, "-n", "infra", "get", "service", "postgresql", "-o", "jsonpath={.spec.clusterIP}"
    )
    said = kubectl(layout, "-n", "infra", "exec", "postgresql-0", "--", "getent", "hosts", name)
    assert said.split() == [address, name]
