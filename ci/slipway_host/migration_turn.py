"""One migration of a service at a time: another commit's has to end before ours begins.

Whoever may look at Jobs and create ours next is who has created the turn, a Job of a fixed name that is
suspended and never starts a pod: creation is the one atomic step that needs no right beyond those of a
migration. A turn whose holder was killed is taken away from it by the next one.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from slipway_host import pods, waiting
from slipway_host.creation import MANAGED
from slipway_host.errors import ConflictError, NotFoundError, TransientError, UnknownOutcomeError
from slipway_host.job_manifest import NAME_LIMIT, collection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.progress import Report
    from slipway_host.settings import Target

COMPONENT = "migration"
"""What a service's migrations have as a label."""
HOLD_S = 20.0
"""For how long anybody holds a turn: it takes two requests."""
STALE_S = 30.0
"""Seen for this long, a turn is nobody's any more."""
POLL_S = 1.0
HOLDER = "slipway.dev/holder"
_END = "-migrate-turn"


class Turns:
    """The turns of one service.

    Args:
        kube: the cluster.
        target: the service.
        name: name of our Job, which never waits for itself.
        report: takes one line for people, live.
    """

    def __init__(self, kube: KubeClient, target: Target, name: str, report: Report) -> None:
        self._kube, self._name, self._report = kube, name, report
        self._jobs = collection(target)
        self._selector = f"app.kubernetes.io/part-of={target.app},app.kubernetes.io/component={COMPONENT}"
        # Cut, two services' names may be one: then they wait for two requests of each other.
        self._turn = f"{target.app[: NAME_LIMIT - len(_END)].rstrip('-')}{_END}"
        self._holder = secrets.token_hex(8)
        self._body = _turn(self._turn, target, self._holder)
        self._seen: tuple[str, float] = ("", 0.0)
        self.waits_for = ""

    @asynccontextmanager
    async def mine(self) -> AsyncIterator[None]:
        """Wait until no other migration of the service runs; none begins until this ends.

        The caller sets the deadline; `waits_for` names the Job that is waited for.
        """
        while True:
            await self._others_end()
            if not await self._take():
                await anyio.sleep(POLL_S / 5)
                continue
            try:
                with anyio.move_on_after(HOLD_S) as held:
                    # Between the look and the turn, one may have begun.
                    if not await self._others():
                        self.waits_for = ""
                        yield
                        return
            finally:
                await self._give_back()
            if held.cancelled_caught:
                raise UnknownOutcomeError(f"no answer from Kubernetes in {HOLD_S:.0f} s")

    async def _others_end(self) -> None:
        while others := await self._others():
            if others[0] != self.waits_for:
                self.waits_for = others[0]
                self._report(f"migrate: waiting for Job {self.waits_for}, a migration of another commit")
            await anyio.sleep(POLL_S)

    async def _others(self) -> list[str]:
        """Return the names of the service's migrations that have not ended, but for ours."""
        listed = await waiting.patiently(
            lambda: self._kube.list(self._jobs, selector=self._selector), self._report
        )
        return sorted(pods.name(job) for job in listed if not _ended(job) and pods.name(job) != self._name)

    async def _take(self) -> bool:
        try:
            await self._kube.create(self._jobs, self._body)
        except (ConflictError, TransientError):
            return await self._is_mine()
        return True

    async def _is_mine(self) -> bool:
        """Look whose the turn is: an answer may have been lost, or its holder have died."""
        found = await waiting.patiently(lambda: self._kube.find(f"{self._jobs}/{self._turn}"), self._report)
        if found is None:
            return False
        if (found["metadata"].get("annotations") or {}).get(HOLDER) == self._holder:
            return True
        uid, now = str(found["metadata"]["uid"]), anyio.current_time()
        if self._seen[0] != uid:
            self._seen = (uid, now)
        elif now - self._seen[1] >= STALE_S:
            self._report(f"migrate: Job {self._turn} is left over from a run that was killed: removing it")
            await self._delete(uid)
        return False

    async def _give_back(self) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(HOLD_S), suppress(TransientError):
            found = await self._kube.find(f"{self._jobs}/{self._turn}")
            if found and (found["metadata"].get("annotations") or {}).get(HOLDER) == self._holder:
                await self._delete(str(found["metadata"]["uid"]))

    async def _delete(self, uid: str) -> None:
        with suppress(NotFoundError, ConflictError):
            await self._kube.delete(f"{self._jobs}/{self._turn}", uid=uid)


def _turn(name: str, target: Target, holder: str) -> Json:
    labels = {**MANAGED, "app.kubernetes.io/part-of": target.app}
    container = {"name": "turn", "image": "turn.invalid/never-started"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": target.namespace,
            "labels": labels,
            "annotations": {HOLDER: holder},
        },
        "spec": {
            "suspend": True,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def _ended(job: Json) -> bool:
    """Say whether no pod of a Job runs any more; FailureTarget means that some may."""
    return any(pods.condition(job, kind).get("status") == "True" for kind in ("Complete", "Failed"))
