"""R16, R36: a bad version goes back, stays away, and nobody notices; told by one service, in this order."""

import json
import time

import pytest

from slipway_lab import credentials
from support.app import App
from support.asking import asking

FASTER_THAN_S = 15
"""From the command's first stage to the proof."""


@pytest.fixture(scope="module")
def tags(app: App) -> tuple[str, str]:
    """Deploy two versions, and return their tags, older first."""
    first = app.head()[:8]
    app.deploy()
    app.edit("main.go", "package main", "// The second version.\npackage main")
    app.deploy()
    return first, app.head()[:8]


def test_history_tells_what_ran(app: App, tags: tuple[str, str]) -> None:
    said = app.call("history", "--as-json")
    assert said.code == 0, said.error
    entries = json.loads(said.out)[app.name]
    assert [(entry["tag"], entry["kind"]) for entry in entries] == [(tag, "deploy") for tag in tags[::-1]]
    assert entries[0]["commit"] == app.gitops_head()
    assert entries[0]["source"] == app.head()
    assert entries[0]["digest"].startswith("sha256:")
    # R19: by what the runs have kept, compared with the branch.
    assert [(entry["status"], entry["run"], entry["doubt"]) for entry in entries] == [
        ("Deployed", run, "") for run in app.receipts()[::-1]
    ]
    assert f"✓ {entries[0]['run']}" in app.call("history").out


@pytest.mark.alone
def test_rollback_is_proven_quick_and_without_a_failed_request(app: App, tags: tuple[str, str]) -> None:
    old, bad = tags
    app.call("status")
    with asking(app) as asked:
        began = time.monotonic()
        said = app.call("rollback", "--receipt-only", "--reason=slow answers")
        whole = time.monotonic() - began
    assert said.code == 0, said.error
    receipt = json.loads(said.out)
    service = receipt["services"][0]
    assert asked.failures == []
    assert {version[:8] for version in asked.seen} == {old, bad}
    assert (service["status"], service["rollback"]["from"], service["rollback"]["to"]) == (
        "Deployed",
        bad,
        old,
    )
    assert {pod["image_id"].partition("@")[2] for pod in service["pods"]} == {service["digest"]}
    print(f"rollback: {receipt['seconds']} s of {whole:.1f} s for the whole call")
    assert receipt["seconds"] <= FASTER_THAN_S


def test_a_second_rollback_changes_nothing(app: App, tags: tuple[str, str]) -> None:
    head = app.gitops_head()
    said = app.call("rollback", "--receipt-only")
    assert said.code == 0, said.error
    receipt = json.loads(said.out)
    assert (receipt["changed"], receipt["tag"]) == (False, tags[0])
    assert app.gitops_head() == head


def test_the_bad_version_is_refused_before_any_effect(app: App, tags: tuple[str, str]) -> None:
    head = app.gitops_head()
    for function in ("deploy", "gitops"):
        said = app.call(function)
        assert said.code == 1
        assert f"tag {tags[1]} is held by {credentials.GIT_WRITER} since" in said.error
        assert "slow answers" in said.error
        assert f"dagger call hold --service={app.name} --lift --tag={tags[1]}" in said.error
        assert "Landed: nothing" in said.error
    assert app.gitops_head() == head


def test_a_tag_that_the_registry_does_not_have_changes_nothing(app: App, tags: tuple[str, str]) -> None:
    head = app.gitops_head()
    said = app.call("rollback", "--to=00000000")
    assert said.code == 1
    assert "00000000 is not in the registry" in said.error
    assert (app.gitops_head(), tags[0] in app.gitops_file(f"apps/{app.name}/values.yaml")) == (head, True)


def test_lifted_the_version_may_come_back(app: App, tags: tuple[str, str]) -> None:
    lifted = app.call("hold", "--lift")
    assert lifted.code == 0, lifted.error
    assert f"{app.name}: nothing is held" in lifted.out
    receipt = app.deploy()
    assert receipt["services"][0]["status"] == "Deployed"
    assert tags[1] in app.gitops_file(f"apps/{app.name}/values.yaml")


def test_revert_of_the_last_deploy_returns_to_what_ran_before(app: App, tags: tuple[str, str]) -> None:
    said = app.call("rollback", "--receipt-only", f"--revert={app.gitops_head()}")
    assert said.code == 0, said.error
    assert json.loads(said.out)["tag"] == tags[0]


def image(app: App) -> str:
    (container,) = app.get("deployment", app.name)["spec"]["template"]["spec"]["containers"]
    return str(container["image"]).rpartition(":")[2]


def test_undo_acts_past_git_until_resume_and_stops_deploys_meanwhile(app: App, tags: tuple[str, str]) -> None:
    # Fault 94.
    said = app.call("undo", "--by=ann")
    assert said.code == 0, said.error
    assert "SUSPENDED" in said.out
    assert (image(app), tags[0] in app.gitops_file(f"apps/{app.name}/values.yaml")) == (tags[1], True)
    refused = app.call("deploy")
    assert refused.code == 1
    assert "is suspended by ann since" in refused.error
    assert image(app) == tags[1]

    # The branch says what shall run: the rollback of before, which gives the service back to Argo CD.
    back = app.call("rollback", "--receipt-only")

    assert back.code == 0, back.error
    stages = {stage["stage"]: stage["status"] for stage in json.loads(back.out)["services"][0]["stages"]}
    assert (stages["gitops"], stages["resume"]) == ("Skipped", "Succeeded")
    assert image(app) == tags[0]
    assert app.call("resume").out.startswith(f"{app.name}: Skipped")


def test_a_version_that_crashes_is_rolled_back_by_the_deploy_itself(app: App, tags: tuple[str, str]) -> None:
    config = "environments:\n  dev:\n    rollback: automatic\n\nservices:"
    app.edit("slipway.yaml", "\nservices:", f"\n{config}")
    app.edit("main.go", "func main() {", "func init() { os.Exit(1) }\n\nfunc main() {")
    bad = app.head()[:8]

    said = app.call("deploy")

    assert said.code == 1
    assert said.error.startswith("Error: StageError: rollout: "), said.error
    assert f"rolled back to {tags[0]}, which 2 ready pod(s) run, proven; {bad} is held" in said.error
    assert image(app) == tags[0]
    entries = json.loads(app.call("history", "--as-json", "--limit=2").out)[app.name]
    assert [(entry["tag"], entry["kind"]) for entry in entries] == [(tags[0], "rollback"), (bad, "deploy")]


def test_a_run_that_failed_leaves_its_files(app: App, tags: tuple[str, str]) -> None:  # R19
    """Of the deploy before this, whose function returned nothing."""
    files = app.record()
    receipt = json.loads(files["receipt.json"])
    (service,) = receipt["services"]
    assert (service["status"], service["automaticRollback"]["rollback"]["to"]) == ("Failed", tags[0])
    assert json.loads(app.receipt(receipt["run"]))["services"] == [service]
    assert f"{app.name} test| ok" in files["build.log"]
    assert f"{app.name}: rollout failed: rolling back" in files["build.log"]
    assert files["summary.md"].startswith(f"### ❌ {app.name} failed\n\n> rollout: ")
    assert f"{app.name}: rollout failed" in files["report.html"]
    assert "back: rollout" in files["report.html"]
    assert app.record(f"--run={receipt['run']}", f"--service={app.name}") == files

    nobody = app.call("record", "--run=20200101T000000-abcd", "entries")
    assert nobody.code == 1
    assert "this engine knows no run 20200101T000000-abcd" in nobody.error
