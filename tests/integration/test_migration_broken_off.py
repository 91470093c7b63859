"""A migration that fails half way: no commit tells of it; history and rollback do, by its receipt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from slipway_host.gitops import commit_images
from slipway_host.image_change import ImageChange
from slipway_host.progress import silent
from support import machine as machines
from support.worlds import TAG, World, Worlds

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from support.machine import Machine

NEXT = "bbbb2222" * 5
WORLDS = {"well": World(link="", says="", fix="")}


@pytest.fixture(scope="module")
def machine(worlds: Worlds, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine at a commit whose migration fails in the middle."""
    worlds.images.push(NEXT[:8])
    command = ["sh", "-c", "echo one table of two; exit 3"]
    service: Json = {"migration": {"command": command, "runAsUser": 65534}}
    found = machines.machine(worlds, "well", tmp_path_factory.mktemp("host"), service)
    found.push()
    return found


async def test_history_and_rollback_name_run_and_job_of_a_migration_that_failed_half_way(
    worlds: Worlds, machine: Machine, kube: KubeClient
) -> None:
    await worlds.check("well", kube)
    image = ImageChange(
        app=machine.app,
        path=f"apps/{machine.app}/values.yaml",
        tag=NEXT[:8],
        digest=None,
        write_digest=False,
        source_commit=NEXT,
    )
    await commit_images(machine.git, [image], run_id="run-1", report=silent, deadline_s=60)
    machine.run("sync")
    machine.until_image(NEXT[:8])
    before = machine.head()

    failed = machine.run("deploy", "--receipt-only", code=1)

    receipt = json.loads(failed.stdout)
    (service,) = receipt["services"]
    stage = service["stages"][-1]
    assert (stage["stage"], stage["status"], machine.head()) == ("migrate", "Failed", before)
    job = stage["outputs"]["job"]
    assert f"migration Job {job} in namespace {machine.app}: ended with exit code 3" in stage["summary"]
    named = f"{machine.here.commit[:12]} (run {receipt['run']}, Job {job})"

    said = machine.run("history").stderr
    assert f"WARNING: {machine.service}: the migration of {named} failed after it had begun, and may " in said

    back = machine.run("rollback")
    (service,) = json.loads(back.stdout[back.stdout.index("\n{") :])["services"]
    warning = service["rollback"]["warning"]
    assert f"a migration failed after it had begun, in 1 run(s) since {TAG}, and may " in warning
    assert f"changed the database in part: {named}: the database stays as it is" in warning
    assert f"WARNING: {warning}" in back.stderr
    assert machine.image().endswith(f":{TAG}")
