"""R21: what `plan` says is what `deploy` does, to plan changes nothing, and another world refuses a plan.

The tests of this file are one story and run in their order.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from slipway_host import plan as plans
from slipway_host.plan_check import moves
from slipway_lab import credentials
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from support.administrator import administer
from support.https import Answer, Request, serving
from support.planned_world import PlannedWorld

PLAN = "plan.json"


@pytest.fixture(scope="module")
def world(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlannedWorld]:
    made = PlannedWorld(layout, tmp_path_factory.mktemp("plan"))
    made.up()
    yield made
    made.planner_down()
    made.down()


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the address of a webhook, and what it is told."""
    told: list[dict[str, Any]] = []

    def receive(request: Request) -> Answer:
        told.append(json.loads(request.body))
        return Answer()

    with serving(receive) as url:
        yield f"{url}/services/x", told


def plan(world: PlannedWorld, **more: str) -> dict[str, Any]:
    """Plan, save it, and return it."""
    done = world.run("plan", "--as-json", **more)
    assert done.returncode == 0, done.stderr
    (world.folder / PLAN).write_text(done.stdout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(world: PlannedWorld, *words: str, **more: str) -> str:
    """Deploy the saved plan, expect a refusal before any effect, and return its line."""
    head = world.gitops("rev-parse", "main")
    done = world.run("deploy", "--plan", str(world.folder / PLAN), *words, **more)
    assert done.returncode == 1, done.stdout
    assert "Landed: nothing." in done.stderr
    assert "Next: slipway-host plan" in done.stderr
    assert world.gitops("rev-parse", "main") == head
    return done.stderr


def deployed(world: PlannedWorld, **more: str) -> dict[str, Any]:
    """Deploy the saved plan, and return the receipt."""
    done = world.run("deploy", "--receipt-only", "--plan", str(world.folder / PLAN), **more)
    assert done.returncode == 0, done.stderr
    receipt: dict[str, Any] = json.loads(done.stdout)
    return receipt


def test_a_first_deploy_is_planned_by_an_account_that_can_change_nothing(world: PlannedWorld) -> None:
    kubeconfig, reader = world.planner(), credentials.GIT_READER
    before = world.snapshot()
    found = plan(
        world,
        KUBECONFIG=str(kubeconfig),
        GIT_USERNAME=reader,
        GH_PAT=credentials.read(world.layout, "git-reader"),
    )
    assert world.snapshot() == before

    service, name = found["services"][0], world.name
    assert service["refused"] == []
    assert service["secrets"]["add"] == ["DATABASE_URL", "JWT_SECRET"]
    assert service["secrets"]["pullAction"] == "create"
    statements = service["database"]["statements"]
    assert statements["postgres"][0] == f"CREATE ROLE {name} LOGIN PASSWORD '<SCRAM-SHA-256 verifier>'"
    assert statements[name][0] == "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public"
    assert f'+  tag: "{world.here.commit[:8]}"  # written by' in found["commits"][0]["files"][0]["diff"]
    assert service["sync"]["image"] == ""
    assert [gate[:15] for gate in service["gates"]] == ["smoke: `python3", "load: GET /heal"]
    assert found["summary"] == "4 changes: secrets, database, gitops, argocd of api."


def test_the_plan_is_done_and_then_nothing_is_left(world: PlannedWorld) -> None:
    saved = json.loads((world.folder / PLAN).read_text())
    # Another application's commit on the branch is of no concern.
    world.commit_gitops("apps/other/values.yaml", 'image:\n  tag: "else"\n', message="Of another")
    with listening() as (url, told):
        receipt = deployed(world, NOTIFY_WEBHOOK=url)
    assert [one["text"].startswith("✅ *api*") for one in told] == [True]
    assert receipt["changed"] is True
    shown = world.gitops("show", "--format=%B", "main")
    for line in saved["commits"][0]["files"][0]["diff"].splitlines()[3:]:
        assert line in shown
    assert saved["commits"][0]["message"].replace("<run>", receipt["run"]).strip() in shown
    stages = {stage["stage"]: stage for stage in receipt["services"][0]["stages"]}
    assert stages["smoke"]["status"] == stages["load"]["status"] == "Succeeded"
    assert receipt["services"][0]["load"]["statusCodes"] == {"200": 20}
    assert stages["secrets"]["outputs"]["added"] == saved["services"][0]["secrets"]["add"]

    before = world.snapshot()
    done = world.run("plan")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("\nNothing would change.")
    assert "smoke" not in done.stdout
    assert "load" not in done.stdout
    assert world.snapshot() == before
    # By hand it runs again, though it has passed.
    alone = world.run("smoke")
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.startswith("api: Succeeded: Job ")
    assert "asked 200" in alone.stderr
    again = world.run("load")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("api: Succeeded: 20 requests at 20/s: p50 ")


def test_a_change_of_one_commit_is_one_line(world: PlannedWorld) -> None:
    old = world.here.commit
    world.commit_source("Change")
    world.push_image()
    found = plan(world)
    assert found["summary"] == "2 changes: gitops, argocd of api."
    diff = found["commits"][0]["files"][0]["diff"].splitlines()
    assert [line for line in diff[2:] if line[0] in "+-"] == [
        f'-  tag: "{old[:8]}"  # written by the pipeline',
        f'+  tag: "{world.here.commit[:8]}"  # written by the pipeline',
    ]
    sync = found["services"][0]["sync"]
    assert (sync["image"], sync["pods"]) == (old[:8], 1)
    assert sync["strategy"].startswith("RollingUpdate maxSurge 25%")

    text = world.run("plan").stdout
    assert f"Deployment/{world.name} runs {old[:8]} now" in text
    assert "its 1 pod(s) are replaced: RollingUpdate maxSurge 25% maxUnavailable 25%" in text


def test_new_pods_are_no_other_world(world: PlannedWorld) -> None:
    old = plans.read((world.folder / PLAN).read_text(), name=PLAN)
    kubectl(world.layout, "-n", world.name, "delete", "pod", "--all", "--wait=false")
    new = plans.read(json.dumps(plan(world)), name=PLAN)
    assert moves(old, new) == []


def test_values_that_somebody_changed_are_named_with_who_did_it(world: PlannedWorld) -> None:
    text = world.gitops("show", f"main:{world.values}")
    world.commit_gitops(world.values, text + "# tuned\n", message="Tune it")
    with listening() as (url, told):
        said = refused(world, NOTIFY_WEBHOOK=url)
    assert told == []
    assert f"the world moved: api: file {world.values}: tag " in said
    assert "of Amy <amy@t.invalid>" in said
    assert ": Tune it)" in said
    # The bytes count and not the commits: put back, the plan holds again.
    world.commit_gitops(world.values, text, message="Put it back")


def test_a_hold_refuses_the_plan(world: PlannedWorld) -> None:
    path = f"{world.values}.hold"
    hold = {"tag": "", "reason": "freeze", "by": "amy", "since": "2026-11-24T05:15:00Z"}
    world.commit_gitops(path, json.dumps({"holds": [hold]}), message="Hold")
    said = refused(world)
    assert f"holds of {world.name}: none → every deploy is held by amy" in said
    assert "a deploy would be refused now" in said
    held = world.run("plan")
    assert held.returncode == 0
    assert held.stdout.splitlines()[-1].startswith(
        "Would be refused: api: preflight: api: every deploy is held"
    )
    world.commit_gitops(path, '{"holds": []}', message="Lift")


def test_a_secret_that_lost_a_key_refuses_the_plan(world: PlannedWorld) -> None:
    name = ("-n", world.name, "patch", "secret", f"{world.name}-secrets", "--type=json", "-p")
    secret = world.objects("secrets")
    jwt = next(one["data"]["JWT_SECRET"] for one in secret if "JWT_SECRET" in one.get("data", {}))
    kubectl(world.layout, *name, '[{"op": "remove", "path": "/data/JWT_SECRET"}]')
    said = refused(world)
    assert (
        f"Secret {world.name}-secrets in {world.name}: has DATABASE_URL, JWT_SECRET → has DATABASE_URL"
        in said
    )
    back = [{"op": "add", "path": "/data/JWT_SECRET", "value": jwt}]
    kubectl(world.layout, *name, json.dumps(back))


def test_a_database_that_lost_something_refuses_the_plan(world: PlannedWorld) -> None:
    administer(world.layout, "DROP EXTENSION pg_trgm", database=world.name)
    said = refused(world)
    assert f"database {world.name}: complete → lacks CREATE EXTENSION IF NOT EXISTS pg_trgm" in said
    administer(world.layout, "CREATE EXTENSION pg_trgm SCHEMA public", database=world.name)


def test_another_sync_policy_refuses_the_plan(world: PlannedWorld) -> None:
    patch = ("-n", "argocd", "patch", "application", world.name, "--type=merge", "-p")
    kubectl(world.layout, *patch, '{"spec": {"syncPolicy": {"automated": {"prune": false}}}}')
    said = refused(world)
    assert f"Application {world.name}: " in said
    assert "automated sync, prune, self-heal → " in said
    kubectl(world.layout, *patch, '{"spec": {"syncPolicy": {"automated": {"prune": true}}}}')


def test_another_image_under_the_tag_refuses_the_plan(world: PlannedWorld) -> None:
    world.push_image(label="another")
    said = refused(world)
    assert f"image {world.here.config['registry']}/api:{world.here.commit[:8]}: sha256:" in said
    world.push_image()


def test_a_plan_of_another_deploy_is_refused(world: PlannedWorld) -> None:
    assert "the plan is for environment dev, and this is prod" in refused(world, "--environment=prod")
    saved = world.here.commit
    world.commit_source("Later")
    assert f"the plan is for commit {saved}, and this is {world.here.commit}" in refused(world)


def test_no_secret_is_in_a_plan_or_said_of_one(world: PlannedWorld) -> None:
    said = "".join(world.said)
    values = [
        base64.b64decode(value).decode()
        for one in world.objects("secrets")
        for value in (one.get("data") or {}).values()
    ]
    values += [credentials.read(world.layout, name) for name in ("registry", "git-writer", "postgres")]
    assert values
    assert [value for value in values if value in said] == []
