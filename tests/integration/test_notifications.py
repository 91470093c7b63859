"""R28: `slipway-host deploy` tells a webhook and GitHub how it ended; without them its end is the same."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slipway_lab.layout import Layout
from support.github_deployments import TOKEN, Deployments
from support.host_side import HostSide, host_side
from support.https import Answer, Request, serving

REFUSED = (
    "the token may not use /repos/acme/api/deployments at 127.0.0.1: Resource not accessible by integration"
)
CANARY = "T0canary/B0canary"


@contextmanager
def served(layout: Layout, answer: Any) -> Iterator[str]:
    """Serve on loopback with the certificate of the lab's own parts, which its authority vouches for."""
    pki = layout.state / "pki"

    class Certificate:
        def configure_cert(self, context: ssl.SSLContext) -> None:
            context.load_cert_chain(pki / "server.pem", pki / "server.key")

    with serving(answer, Certificate()) as url:
        yield url


@pytest.fixture
def here(layout: Layout, namespace: str, tmp_path: Path) -> HostSide:
    """A clone whose deploy ends at the preflight: nothing of it is at Argo CD."""
    wanted = {"github": True, "url": "https://api.acme.test"}
    found = host_side(
        layout,
        tmp_path,
        namespace,
        {},
        environments={"dev": {"notifications": wanted}},
        gitops={"repository": "https://git.invalid/acme/gitops.git", "receipts": {"store": False}},
    )
    found.push_image()
    return found


def origin(here: HostSide, url: str) -> None:
    subprocess.run(["git", "remote", "add", "origin", f"{url}/acme/api.git"], cwd=here.folder, check=True)


def test_a_deploy_that_fails_is_told_to_both_and_the_address_is_in_no_output(
    layout: Layout, here: HostSide
) -> None:
    github = Deployments(root="/api/v3", commits={here.commit})
    got: list[dict[str, Any]] = []

    def receive(request: Request) -> Answer:
        got.append(json.loads(request.body))
        return Answer()

    with served(layout, github) as api, served(layout, receive) as hook:
        origin(here, api)
        told = {"NOTIFY_WEBHOOK": f"{hook}/services/{CANARY}", "RUN_URL": "https://ci.test/1"}
        done = here.run("deploy", **here.accounts(), GH_PAT="canary-git", DEPLOYMENTS_TOKEN=TOKEN, **told)
    assert done.returncode == 1
    assert "WARNING" not in done.stderr
    assert "canary" not in done.stdout + done.stderr
    (message,) = got
    assert message["text"].startswith(f"❌ *api* {here.commit[:8]} failed in *dev*: preflight: ")
    (deployment,) = github.deployments
    assert (deployment["sha"], deployment["environment"]) == (here.commit, "dev")
    states = [status["state"] for status in github.statuses[deployment["id"]]]
    assert states == ["in_progress", "failure"]


def test_a_webhook_that_hangs_and_a_token_that_may_not_are_two_lines_and_the_same_end(
    layout: Layout, here: HostSide
) -> None:
    github = Deployments(root="/api/v3", commits={here.commit}, may="read")
    with served(layout, github) as api, served(layout, lambda _: Answer(hangs=True)) as hook:
        origin(here, api)
        told = {"NOTIFY_WEBHOOK": f"{hook}/services/{CANARY}", "DEPLOYMENTS_TOKEN": TOKEN}
        done = here.run("deploy", **here.accounts(), GH_PAT="canary-git", **told)
    lines = done.stderr.splitlines()
    warnings = [line for line in lines if line.startswith("WARNING: ")]
    assert warnings == [
        f"WARNING: GitHub was not told of this run: {REFUSED}",
        "WARNING: the webhook was not told: no answer within 5 s",
    ]
    assert done.returncode == 1
    assert lines[-1].startswith("Error: preflight: ")
    assert "canary" not in done.stdout + done.stderr
