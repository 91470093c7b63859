"""Receipts to be told of, somebody who is told, and a run that tells."""

import json
from typing import Any

from pydantic import SecretStr

from slipway_host.notices import Notifications
from slipway_host.notifications import Notice, Teller, told
from slipway_host.recipients import Recipients
from support.https import Answer, Request

COMMIT = "8f3a12bc" + "0" * 32
DEPLOYED = {
    "service": "api",
    "app": "game-api",
    "status": "Deployed",
    "digest": "sha256:1",
    "pods": [1, 2],
    "stages": [],
}
UNCHANGED = {"service": "ui", "app": "ui", "status": "Unchanged", "pods": [1], "stages": []}
FAILED = {
    "service": "worker",
    "status": "Failed",
    "error": "rollout: pod says <!channel> & `x`",
    "stages": [],
}
WAITING = {"service": "ui", "status": "Waiting", "pullRequest": "https://git.test/1", "stages": []}
BACK = {**DEPLOYED, "rollback": {"from": "8f3a12bc", "to": "1c2d3e4f"}}
FALLEN = {**FAILED, "automaticRollback": {"status": "Deployed"}}


def document(*services: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": "20261124T051500-1f3a",
        "environment": "prod",
        "commit": COMMIT,
        "tag": "8f3a12bc",
        "seconds": 85.9,
        "services": list(services),
    }


class Receiver:
    """A webhook that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.url = ""
        self.answer = Answer()

    def __call__(self, request: Request) -> Answer:
        self.got.append(json.loads(request.body))
        return self.answer


class Run:
    """One run with what it was told, and what it said."""

    def __init__(self, url: str = "", *, token: str = "", commit: str = COMMIT, **wanted: Any) -> None:
        self.said: list[str] = []
        notice = Notice(run="r1", environment="prod", commit=commit, source="", services=["api"])
        recipients = Recipients(
            webhook=SecretStr(url) if url else None,
            token=SecretStr(token) if token else None,
            run_url="https://ci.test/1",
        )
        self.teller = Teller(
            notice=notice,
            wanted=Notifications.model_validate({"url": "https://api.test/", **wanted}),
            recipients=recipients,
            report=self.said.append,
        )

    async def ends(self, *services: dict[str, Any]) -> list[str]:
        async with told(self.teller) as teller:
            teller.document = document(*services)
        return self.said
