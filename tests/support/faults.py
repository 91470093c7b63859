"""Puts the failing proxy (`faulty_registry`) in front of one of the lab's registries while a block runs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slipway_lab.layout import Layout
from slipway_lab.sandbox import TRUST, Sandbox
from support import faulty_registry

Fault = dict[str, Any]


@contextmanager
def faulty(
    layout: Layout, upstream: str, port: int, *faults: Fault
) -> Iterator[list[tuple[str, str, Fault | None]]]:
    """Let a registry fail by script while the block runs; yields what was asked, filled at the end."""
    pki = layout.state / "pki"
    program = Path(faulty_registry.__file__)
    proxy = subprocess.Popen(
        [
            *Sandbox(layout).enter(),
            *("env", f"SSL_CERT_FILE={TRUST}", sys.executable, program),
            *(str(port), upstream, pki / "server.pem", pki / "server.key"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert proxy.stdin
    assert proxy.stdout
    proxy.stdin.write(json.dumps(faults) + "\n")
    proxy.stdin.flush()
    assert json.loads(proxy.stdout.readline()) == "ready"
    asked: list[tuple[str, str, Fault | None]] = []
    try:
        yield asked
    finally:
        out, _ = proxy.communicate(timeout=20)
        asked += [tuple(json.loads(line)) for line in out.splitlines()]
