"""The namespaces that hold every part of the lab, and the daemons inside them.

One process (tini) is the first of a process namespace of its own. Killing it makes the kernel end every
process in there, pods included, and drop the mounts and the network that belonged to them: nothing can be
left behind by a part that was not told to stop.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from slipway_lab import command, network
from slipway_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slipway_lab.layout import Layout

OVERLAYS = ("etc", "opt", "usr", "var")
"""Folders whose changes stay inside the lab: parts expect to write there."""
MACHINE_RESOLVERS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
TRUST = "/etc/ssl/certs/ca-certificates.crt"
POLL_S = 0.1


@dataclass(frozen=True)
class Record:
    """A process that the lab started; pid and start time together are its identity."""

    pid: int
    created: float

    @property
    def process(self) -> psutil.Process | None:
        """The process, or None where it is gone or the pid is another's by now."""
        try:
            process = psutil.Process(self.pid)
            alive = abs(process.create_time() - self.created) < 1 and process.is_running()
            return process if alive and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class Sandbox:
    """The lab's namespaces, found again by later commands through a record on disk."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def _record(self, name: str) -> Record | None:
        path = self.layout.run / f"{name}.json"
        try:
            return Record(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _remember(self, name: str, process: psutil.Process) -> None:
        record = {"pid": process.pid, "created": process.create_time()}
        (self.layout.run / f"{name}.json").write_text(json.dumps(record))

    @property
    def first(self) -> psutil.Process | None:
        """The first process of the namespaces, where they exist."""
        record = self._record("sandbox")
        return record.process if record else None

    def daemon(self, name: str) -> psutil.Process | None:
        """The running process of a part, or None."""
        record = self._record(f"daemon-{name}")
        return record.process if record else None

    def up(self) -> None:
        """Make the namespaces, their mounts and their network, unless they are there."""
        if self.first is not None:
            return
        self.clean()
        unshare = [
            "unshare",
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--uts",
            "--fork",
            "--mount-proc",
        ]
        starter = subprocess.Popen(
            [*unshare, "--propagation", "private", "tini", "-s", "-g", "--", "sleep", "infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.layout.logs / "sandbox.log").open("ab"),
            start_new_session=True,
        )
        first = _only_child(starter)
        # Before anything else: a kill from here on leaves something that `down` can find.
        self._remember("sandbox", first)
        network.connect(first.pid)
        self._mount()

    def _mount(self) -> None:
        layout = self.layout
        script = ["set -eu", "mount --make-rshared /", "hostname slipway-lab"]
        for folder in OVERLAYS:
            upper, work = (
                layout.run / "overlay" / folder / "upper",
                layout.run / "overlay" / folder / "work",
            )
            for path in (upper, work):
                path.mkdir(parents=True, exist_ok=True)
            options = f"lowerdir=/{folder},upperdir={upper},workdir={work}"
            script.append(f"mount -t overlay overlay -o '{options}' /{folder}")
        script += [
            "mount -t tmpfs tmpfs /run",
            "mkdir -p /run/lock /run/netns",
            "rm -f /etc/resolv.conf",
            f"printf '%s' '{_resolv_conf()}' > /etc/resolv.conf",
            "printf '127.0.0.1 localhost\\n127.0.1.1 slipway-lab\\n' > /etc/hosts",
            "sysctl -qw net.ipv4.ip_forward=1",
            # Every part, and every container of the engine, trusts the lab's authority from here on.
            f"cp {layout.trust} {TRUST}",
            "mkdir -p /usr/local/share/ca-certificates",
            f"cp {layout.ca} /usr/local/share/ca-certificates/slipway-lab.crt",
        ]
        self.run(["sh", "-c", "\n".join(script)])

    def enter(self) -> list[str]:
        """Return the words that put a command into the namespaces."""
        if self.first is None:
            raise LabError("the lab is not up: run make lab-up")
        return ["nsenter", "-t", str(self.first.pid), "-m", "-u", "-i", "-n", "-p", "--"]

    def run(self, arguments: Sequence[str | Path], *, stdin: str | None = None) -> str:
        """Run a program inside to its end."""
        return command.run([*self.enter(), *arguments], stdin=stdin)

    def start(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        ready: Callable[[], bool],
        deadline_s: float,
    ) -> None:
        """Start a daemon unless it runs, and wait until it is ready.

        Raises:
            LabError: it ended or was not ready in time; the message has the end of its log.
        """
        log = self.layout.logs / f"{name}.log"
        if self.daemon(name) is None:
            with log.open("wb") as output:
                starter = subprocess.Popen(
                    [*self.enter(), *map(str, arguments)],
                    env={**os.environ, "SSL_CERT_FILE": TRUST, **(env or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._remember(f"daemon-{name}", _only_child(starter))
        until = time.monotonic() + deadline_s
        while not ready():
            if self.daemon(name) is None:
                raise LabError(f"{name} ended while starting:\n{_tail(log)}")
            if time.monotonic() > until:
                raise LabError(f"{name} was not ready after {deadline_s:.0f} s:\n{_tail(log)}")
            time.sleep(POLL_S)

    def stop(self, name: str, *, grace_s: float = 10) -> None:
        """End one daemon: asked first, killed after the grace."""
        process = self.daemon(name)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace_s)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(grace_s)

    def down(self) -> None:
        """End everything at once and clean what namespaces do not take with them."""
        first = self.first
        if first is not None:
            first.kill()
            first.wait(30)
        self.clean()

    def clean(self) -> None:
        """Remove what a dead sandbox left on the machine: link, rules, control groups, records."""
        network.disconnect()
        for folder in sorted(Path("/sys/fs/cgroup").glob("**/slipway-lab"), reverse=True):
            _remove_control_groups(folder)
        for path in self.layout.run.glob("*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _only_child(starter: subprocess.Popen[bytes]) -> psutil.Process:
    """Return the program that `unshare` or `nsenter` forked into the namespaces."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if starter.poll() is not None:
            raise LabError(f"{starter.args!r} ended with {starter.returncode} at once")
        try:
            children = psutil.Process(starter.pid).children()
        except psutil.NoSuchProcess:
            children = []
        if children:
            return children[0]
        time.sleep(0.01)
    raise LabError(f"{starter.args!r} did not start")


def _remove_control_groups(folder: Path) -> None:
    for inner in sorted(folder.rglob("*"), key=lambda path: -len(path.parts)):
        if inner.is_dir():
            _rmdir(inner)
    _rmdir(folder)


def _rmdir(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        # Busy for a moment after a kill; the next `up` or `down` comes by again.
        return


def _resolv_conf() -> str:
    """Return the machine's name servers, past a stub on loopback that the lab cannot reach."""
    for path in MACHINE_RESOLVERS:
        if path.exists():
            lines = [line for line in path.read_text().splitlines() if line.startswith("nameserver")]
            usable = [line for line in lines if " 127." not in line]
            if usable:
                return "\n".join(usable) + "\n"
    return ""


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-command.TAIL_LINES :]
    return "\n".join(f"  {line}" for line in lines)


def listening(host: str, port: int) -> bool:
    """Return whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
