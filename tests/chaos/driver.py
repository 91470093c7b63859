"""Runs `slipway-host`, writes each effect on the outside to a log, and dies by SIGKILL at one of them.

The product knows nothing of this: the driver wraps the three places where requests leave the process
(Kubernetes' API, psql in the pod, git push), in the process that it kills, which is its own.
"""

import argparse
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from slipway_host import git_program, kube, kube_session
from slipway_host import run as run_module
from slipway_host.cli import main

STATEMENT = re.compile(r"(?<=\\gexec\n)")
"""Where the set-up's script begins its next statement with an effect."""
VERB = re.compile(r"'(CREATE ROLE|GRANT|CREATE DATABASE|REVOKE|ALTER DATABASE|[A-Z]+ [A-Z]+)")
ADVISORY = "pg_advisory_lock"


class Effects:
    """Counts effects; at the one that is asked for, the process ends before or after it.

    Args:
        log: file that gets a line for each effect.
        stop: number of the effect, from 1; 0 for none.
        before: whether to die before it.
    """

    def __init__(self, log: Path, stop: int, *, before: bool) -> None:
        self._log, self._stop, self._before = log, stop, before
        self._count = 0

    async def around(self, name: str, act: Callable[[], Awaitable[Any]]) -> Any:
        """Let one effect happen."""
        self._count += 1
        if self._count == self._stop and self._before:
            die()
        try:
            return await act()
        finally:
            with self._log.open("a") as log:
                log.write(f"{name}\n")
            if self._count == self._stop:
                die()


def die() -> None:
    """End this process as the kernel would when memory is out."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def wrap(effects: Effects) -> None:
    """Put the counter around everything that leaves the process."""
    request_json, exec_ = kube_session.Session.json, kube.KubeClient.exec
    run = git_program.GitProgram.run

    async def json(self: kube_session.Session, request: Any) -> Any:
        if not request.writes:
            return await request_json(self, request)
        return await effects.around(str(request), lambda: request_json(self, request))

    async def git(self: git_program.GitProgram, arguments: Sequence[str], **more: Any) -> Any:
        if arguments[0] != "push":
            return await run(self, arguments, **more)
        return await effects.around("git push", lambda: run(self, arguments, **more))

    async def psql(self: kube.KubeClient, *where: Any, stdin: str = "", **more: Any) -> Any:
        if ADVISORY not in stdin:
            return await exec_(self, *where, stdin=stdin, **more)
        # What a process that dies in the middle has sent: the script up to one of its statements.
        parts, sent = STATEMENT.split(stdin), ""
        for part in parts[:-1]:
            sent += part

            async def act(text: str = sent) -> Any:
                return await exec_(self, *where, stdin=f"{text}\n\\q\n", **more)

            found = VERB.search(part)
            await effects.around(f"psql {found[1] if found else '?'}", act)
        return await exec_(self, *where, stdin=stdin, **more)

    for owner, name, new in (
        (kube_session.Session, "json", json),
        (git_program.GitProgram, "run", git),
        (kube.KubeClient, "exec", psql),
    ):
        setattr(owner, name, new)


def announce() -> None:
    """Write a line when a stage begins: the product itself speaks only of what takes long."""
    begin = run_module.Run.begin

    def announced(self: run_module.Run, name: str) -> Any:
        sys.stderr.write(f"begin {self.service} {name}\n")
        sys.stderr.flush()
        return begin(self, name)

    setattr(run_module.Run, "begin", announced)  # noqa: B010 - a method, to mypy


def die_when_moved(ref: Path) -> None:
    """End the process in the moment in which the server has moved a branch; git has not said so yet."""
    before = ref.read_text()

    def watch() -> None:
        while ref.read_text() == before:
            time.sleep(0.0005)
        die()

    threading.Thread(target=watch, daemon=True).start()


def break_first_write() -> None:
    """Make the first write end in an error that nobody expects, with secrets in message and locals."""
    password = os.environ["REGISTRY_PASSWORD"]

    async def json(_self: kube_session.Session, request: Any) -> Any:
        jwt = os.environ.get("JWT_SECRET", password)
        raise RuntimeError(f"{request.body} {password} {jwt}")

    owner: Any = kube_session.Session
    owner.json = json


def run() -> None:
    """Read the driver's own arguments, and hand the rest to the product."""
    options = argparse.ArgumentParser()
    options.add_argument("--log", type=Path, required=True)
    options.add_argument("--stop", type=int, default=0)
    options.add_argument("--before", action="store_true")
    options.add_argument("--ref", type=Path)
    options.add_argument("--defect", action="store_true")
    options.add_argument("rest", nargs="*")
    found = options.parse_args()
    announce()
    wrap(Effects(found.log, found.stop, before=found.before))
    if found.defect:
        break_first_write()
    if found.ref:
        die_when_moved(found.ref)
    main(found.rest)


if __name__ == "__main__":
    run()
