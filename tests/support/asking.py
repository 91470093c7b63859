"""A client of an application's Service, as other pods are: asks again and again, and counts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from slipway_lab.sandbox import Sandbox
from support.app import App

# Asks through the Service, as other pods do, until its input ends; then prints what it saw.
ASK = """
import json, sys, threading, time, urllib.request
seen, failures, stop = {}, [], threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
until = time.monotonic() + 600
while not stop.is_set() and time.monotonic() < until:
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
            version = json.load(answer)["version"]
        seen[version] = seen.get(version, 0) + 1
    except Exception as error:
        failures.append(repr(error))
    time.sleep(0.01)
print(json.dumps({"seen": seen, "failures": failures}))
"""


@dataclass
class Asked:
    """What a client of the Service saw: answers by version, and failed requests."""

    seen: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@contextmanager
def asking(app: App) -> Iterator[Asked]:
    """Ask the Service again and again while the block runs."""
    address = app.get("service", app.name)["spec"]["clusterIP"]
    asked = Asked()
    client = subprocess.Popen(
        [*Sandbox(app.layout).enter(), sys.executable, "-c", ASK, f"http://{address}/version"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield asked
    finally:
        out, _ = client.communicate(timeout=60)
    found = json.loads(out)
    asked.seen, asked.failures = found["seen"], found["failures"]
