"""What a machine needs before the lab starts to work on it: all that is missing, in one list."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from slipway_lab import command
from slipway_lab.errors import LabError
from slipway_lab.layout import HOST
from slipway_lab.pins import PACKAGES

if TYPE_CHECKING:
    from slipway_lab.layout import Layout

GIGABYTE = 1024**3
DISK_FRESH_GB = 45
"""Free space for a first build: Go's caches (20), parts (3), images and the engine's cache."""
DISK_WARM_GB = 8
MEMORY_GB = 6
KERNEL_FEATURES = {"overlay": "/proc/filesystems", "cgroup": "/proc/filesystems"}
HIDDEN = ("/etc", "/opt", "/usr", "/var", "/run", "/sys", "/proc", "/dev")


def missing(layout: Layout, *, prepared: bool) -> list[str]:
    """Return what this machine lacks, one sentence each; an empty list means that work can start."""
    found: list[str] = []
    if os.geteuid() != 0:
        found.append("root: the lab makes namespaces and network links; use sudo")
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        found.append(f"Linux on x86_64: this is {platform.system()} on {platform.machine()}")
    if not shutil.which("apt-get"):
        found.append("Debian 12 or later: programs and base images come from its packages")
    for feature, listing in KERNEL_FEATURES.items():
        listed = Path(listing).read_text() if Path(listing).exists() else ""
        if feature not in listed:
            found.append(f"the kernel's {feature} support")
    free_gb = shutil.disk_usage(layout.root if layout.root.exists() else Path("/")).free / GIGABYTE
    needed = DISK_WARM_GB if prepared else DISK_FRESH_GB
    if free_gb < needed:
        found.append(f"disk: {needed} GB free under {layout.root}, there are {free_gb:.0f}")
    memory_gb = psutil.virtual_memory().total / GIGABYTE
    if memory_gb < MEMORY_GB:
        found.append(f"memory: {MEMORY_GB} GB, there are {memory_gb:.0f}")
    if str(layout.root).startswith(HIDDEN):
        found.append(f"a folder outside {', '.join(HIDDEN)}: set SLIPWAY_LAB")
    if any(address.address == HOST for each in psutil.net_if_addrs().values() for address in each):
        found.append(f"the address {HOST}: one of this machine's own links has it")
    return found


def check(layout: Layout, *, prepared: bool) -> None:
    """Raise one error that lists all that is missing."""
    found = missing(layout, prepared=prepared)
    if found:
        raise LabError("this machine cannot hold the lab. Missing:\n  - " + "\n  - ".join(found))


def absent_packages() -> list[str]:
    """Return the Debian packages that still have to be installed."""
    said = command.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n"])
    installed = {line.split()[0] for line in said.splitlines() if line.split()[-1] == "ii"}
    return [name for name in PACKAGES if name not in installed]


def install_packages(names: list[str]) -> None:
    """Install Debian packages without starting the services that they bring."""
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        # https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt: 101 = do not start.
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        command.run(["apt-get", "update", "-qq"], env=env)
        install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *names]
        command.run(install, env=env, timeout_s=1200)
    finally:
        if ours:
            policy.unlink()
