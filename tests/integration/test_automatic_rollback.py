"""R16: a new version that runs and is healthy, and fails its smoke test: what the deploy itself does then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support import machine as machines
from support.worlds import TAG, World, Worlds, deployment

if TYPE_CHECKING:
    import subprocess

    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from support.machine import Machine

# The server answers a path with the status that the variable of that name says: here the tag decides.
SCORES = f"{{{{ if eq .Values.image.tag `{TAG}` }}}}200{{{{ else }}}}500{{{{ end }}}}"
WORLDS = {
    "well": World(link="", says="", fix="", objects=(deployment(env=[{"name": "scores", "value": SCORES}]),))
}
ASK = """
import os, sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(os.environ["SMOKE_URL"] + "/scores", timeout=5)
except urllib.error.HTTPError as error:
    sys.exit(f"GET /scores answers {error.code}")
"""


@pytest.fixture(scope="module")
def machine(worlds: Worlds, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine at a commit whose image is pushed, beside an older one that runs."""
    service: Json = {"smoke": {"command": ["python3", "-uc", ASK], "runAsUser": 65534}}
    places: Json = {"dev": {"rollback": "automatic"}, "by-hand": {"extends": "dev", "rollback": "manual"}}
    folder = tmp_path_factory.mktemp("host")
    found = machines.machine(worlds, "well", folder, service, environments=places)
    found.push()
    return found


def service_of(done: subprocess.CompletedProcess[str]) -> Json:
    """Return the one service of the receipt that a deploy has printed."""
    (found,) = json.loads(done.stdout[done.stdout.index("\n{") :])["services"]
    return dict(found)


def stages(service: Json) -> dict[str, str]:
    return {stage["stage"]: stage["status"] for stage in service["stages"]}


async def test_a_version_that_fails_its_smoke_test_is_taken_back_proven_and_held(
    worlds: Worlds, machine: Machine, kube: KubeClient
) -> None:
    await worlds.check("well", kube)
    bad = machine.here.commit[:8]

    done = machine.run("deploy", code=1)

    service = service_of(done)
    assert (service["status"], stages(service)["health"]) == ("Failed", "Succeeded")
    assert (stages(service)["smoke"], "proof" in stages(service)) == ("Failed", False)
    back = service["automaticRollback"]
    assert (back["status"], back["rollback"]["from"], back["rollback"]["to"]) == ("Deployed", bad, TAG)
    # The test is the new commit's: the older one had another, or none.
    assert stages(back).keys() >= {"preflight", "gitops", "sync", "rollout", "health", "proof"}
    assert "smoke" not in stages(back)
    assert {pod["image_id"].partition("@")[2] for pod in back["pods"]} == {back["digest"]}
    assert machine.image().endswith(f":{TAG}")

    (line,) = [one for one in done.stderr.splitlines() if one.startswith("Error: ")]
    assert line.startswith("Error: smoke: ")
    assert "its last words: GET /scores answers 500" in line
    assert f"; rolled back to {TAG}, which 1 ready pod(s) run, proven; {bad} is held. Landed: " in line
    assert line.endswith(f"deploy another commit; slipway-host history --service={machine.service}")
    entries = machine.json("history", "--as-json")[machine.service]
    kinds = [(entry["tag"], entry["kind"]) for entry in entries]
    assert kinds == [(TAG, "rollback"), (bad, "deploy"), (TAG, "other")]


def test_it_does_not_come_back_by_the_same_command(machine: Machine) -> None:
    before = machine.head()
    refused = machine.run("deploy", code=1)
    assert "is held by automatic rollback since" in refused.stderr
    assert "smoke failed: " in refused.stderr
    assert (machine.head(), machine.image().endswith(f":{TAG}")) == (before, True)


def test_where_nobody_has_asked_for_it_the_deploy_fails_and_changes_nothing_more(machine: Machine) -> None:
    machine.run("hold", "--lift", f"--tag={machine.here.commit[:8]}")

    done = machine.run("deploy", "--environment=by-hand", code=1)

    service = service_of(done)
    assert (service["status"], stages(service)["smoke"]) == ("Failed", "Failed")
    assert "automaticRollback" not in service
    assert "rolled back" not in done.stderr
    assert machine.image().endswith(f":{machine.here.commit[:8]}")
