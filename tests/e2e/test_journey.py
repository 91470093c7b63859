"""R1 to R15, R31: one service from its first deploy over a re-run to a change, on the whole lab.

The tests of this file are one story and run in their order.
"""

import base64
import json
import re
from pathlib import Path

import pytest

from support.app import App
from support.asking import asking
from support.receiver import receiving

STAGES = "preflight test scan-source build scan-image push secrets database gitops sync rollout health proof"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plan of the first deploy is kept."""
    return tmp_path_factory.mktemp("plan") / "plan.json"


def test_first_deploy_is_planned_and_nothing_is_touched(app: App, saved: Path) -> None:  # R21
    before = app.gitops_head()
    done = app.call("plan", "--as-json", "-o", str(saved))
    assert done.code == 0, done.error
    plan = json.loads(saved.read_text())
    service = plan["services"][0]
    assert plan["summary"] == f"5 changes: image, secrets, database, gitops, argocd of {app.name}."
    assert (service["image"]["push"], service["image"]["latest"], service["image"]["digest"]) == (
        True,
        True,
        "",
    )
    assert any(line.startswith("scan: ") for line in service["gates"])
    assert f'+  tag: "{app.head()[:8]}"' in plan["commits"][0]["files"][0]["diff"]
    assert app.gitops_head() == before
    assert app.tags(app.head()[:8]) == []
    assert app.kubectl("get", "secret", f"{app.name}-secrets", "--ignore-not-found") == ""


def test_first_deploy_is_the_planned_one_and_proven(app: App, saved: Path) -> None:
    done = app.call("deploy", "--receipt-only", f"--plan={saved}")
    assert done.code == 0, done.error
    receipt = json.loads(done.out)
    service = receipt["services"][0]

    assert [stage["stage"] for stage in service["stages"]] == STAGES.split()
    assert receipt["changed"] is True
    assert receipt["gitopsCommit"] == app.gitops_head()
    assert len(service["pods"]) == 2
    assert {pod["image_id"].partition("@")[2] for pod in service["pods"]} == {service["digest"]}
    with asking(app) as asked:
        pass
    assert asked.failures == []
    # R19: in the GitOps repository, and in the engine.
    assert app.receipts() == [receipt["run"]]
    assert json.loads(app.receipt(receipt["run"])) == receipt
    assert json.loads(app.record()["receipt.json"]) == receipt


def test_a_plan_has_served_and_the_next_says_nothing(app: App, saved: Path) -> None:  # R21
    text = app.call("plan")
    assert text.out.rstrip().endswith("\nNothing would change."), text.error
    again = app.call("deploy", f"--plan={saved}")
    assert again.code == 1
    assert f"plan: the world moved: {app.name}: image " in again.error
    assert f"apps/{app.name}/values.yaml: tag none, " in again.error
    assert "(commit " in again.error
    assert "Landed: nothing. Next: dagger call plan" in again.error


def test_second_deploy_changes_nothing(app: App) -> None:
    def state() -> list[str]:
        objects = [
            ("deployment", app.name),
            ("secret", f"{app.name}-secrets"),
            ("secret", "registry-credentials"),
        ]
        return [
            app.gitops_head(),
            *app.receipts(),
            *(app.get(*found)["metadata"]["resourceVersion"] for found in objects),
        ]

    before = state()
    receipt = app.deploy()

    assert receipt["changed"] is False
    stages = receipt["services"][0]["stages"]
    acted = {stage["stage"] for stage in stages if stage["status"] == "Succeeded"}
    assert acted.isdisjoint({"build", "push", "secrets", "database", "gitops", "sync", "rollout"})
    assert state() == before


def test_every_call_acts_and_is_not_answered_from_a_cache(app: App) -> None:
    name = "registry-credentials"
    before = app.get("secret", name)["metadata"]["uid"]
    app.kubectl("delete", "secret", name)

    first, second = app.call("secrets"), app.call("secrets")

    assert first.out.startswith(f"{app.name}: Succeeded: ")
    assert second.out.startswith(f"{app.name}: Skipped: ")
    assert app.get("secret", name)["metadata"]["uid"] != before


def test_change_arrives_without_a_failed_request_and_is_told(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = app.head()
    jwt = app.get("secret", f"{app.name}-secrets")["data"]["JWT_SECRET"]
    commit = app.edit("main.go", '"drained"', '"drained well"')
    with asking(app) as asked, receiving(app.layout) as receiver:
        monkeypatch.setenv("NOTIFY_WEBHOOK", receiver.url)
        receipt = app.deploy("--notify-webhook=env://NOTIFY_WEBHOOK", "--run-url=https://ci.test/1")

    ((path, message),) = receiver.got  # R28
    assert receiver.url.endswith(path)
    assert message["text"].startswith(
        f"✅ *{app.name}* {commit[:8]} runs in *dev*: 2 ready pods, deployed in"
    )
    assert asked.failures == []
    # Old pods answered until the new ones did.
    assert set(asked.seen) == {old, commit}
    assert min(asked.seen.values()) > 0
    assert receipt["tag"] == commit[:8]
    assert receipt["changed"] is True
    assert app.get("secret", f"{app.name}-secrets")["data"]["JWT_SECRET"] == jwt
    values = app.gitops_file(f"apps/{app.name}/values.yaml")
    assert f'  tag: "{commit[:8]}"\n' in values


def test_status_names_the_running_image(app: App) -> None:
    said = app.call("status")
    assert said.code == 0, said.error
    assert "Synced" in said.out
    assert "2 of 2 pods ready" in said.out
    assert f":{app.head()[:8]}" in said.out


def test_run_and_service_have_reports(app: App, tmp_path: Path) -> None:  # R19, R20
    run, service = tmp_path / "report.html", tmp_path / "service.html"
    for path, flags in ((run, ()), (service, ("--days=30",))):
        said = app.call("report", *flags, "-o", str(path))
        assert said.code == 0, said.error
    page = run.read_text()
    assert f"<title>{app.name} {app.head()[:8]} is deployed to dev</title>" in page
    # Beside the first deploy: the image's layers are known, and which of them are new.
    assert "Compared with the last deploy" in page
    assert re.search(r"[1-9]\d* layers, [1-9]\d* of them new: a node that ran the last deploy loads \d", page)
    assert "commit by t" in page
    assert f"<title>{app.name} in dev: " in service.read_text()


def test_kpis_are_those_of_the_two_deploys(app: App) -> None:  # R20
    said = app.call("kpis", "--as-json")
    assert said.code == 0, said.error
    (service,) = json.loads(said.out)["services"]
    figures = {figure["name"]: figure for figure in service["figures"]}
    assert [one["tag"] for one in service["deployments"]][-1] == app.head()[:8]
    assert (figures["buildTime"]["count"], figures["deployTime"]["count"]) == (2, 2)
    assert figures["successRate"]["value"] == 1
    assert figures["changeFailRate"]["value"] == 0
    # The commit of the change, from when it was made until it was proven.
    assert figures["changeLeadTime"]["count"] == 1
    assert 0 < figures["changeLeadTime"]["value"] < 3600


def test_stages_run_alone(app: App) -> None:
    for stage in ("test", "scan", "database", "gitops", "sync"):
        said = app.call(stage)
        assert said.code == 0, said.error
    built = app.call("image", "user")
    assert built.out.strip() == "65532:65532"


def test_secret_values_are_in_no_output(app: App) -> None:
    data = app.get("secret", f"{app.name}-secrets")["data"]
    secrets = [base64.b64decode(value).decode() for value in data.values()]
    secrets += [
        (app.layout.credentials / name).read_text() for name in ("registry", "git-writer", "postgres")
    ]
    said = app.call("deploy", progress="plain")
    assert said.code == 0, said.error
    stays = [*app.record().values(), *map(app.receipt, app.receipts())]
    assert [secret for secret in secrets if secret in said.out + said.stderr + "".join(stays)] == []


def test_digest_beside_the_tag_is_what_pods_run_where_that_is_asked_for(app: App) -> None:
    # R11: on request.
    commit = app.edit("slipway.yaml", "gitops:\n", "gitops:\n  digest: true\n")
    receipt = app.deploy()

    digest = receipt["services"][0]["digest"]
    assert f'  tag: "{commit[:8]}"\n  digest: "{digest}"\n' in app.gitops_file(f"apps/{app.name}/values.yaml")
    pod = app.get("deployment", app.name)["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"].endswith(f"@{digest}")
    assert app.deploy()["changed"] is False
