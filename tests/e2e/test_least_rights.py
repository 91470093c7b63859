"""R22: the whole journey with exactly the rights that `rbac` prints, and `doctor` without one of them.

The tests of this file are one story and run in their order.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slipway_lab import argocd
from slipway_lab.kubernetes import kubeconfig_path, kubectl
from support.app import App, Call


@dataclass(frozen=True)
class Least:
    """The application, and the kubeconfig of an account that has what it needs and no more."""

    app: App
    kubeconfig: Path

    def call(self, *arguments: str, progress: str = "") -> Call:
        """Run `dagger call` as this account."""
        return self.app.call(
            *arguments, before=[f"--kube-config=file://{self.kubeconfig}"], progress=progress
        )

    def doctor(self) -> dict[str, Any]:
        """Return what doctor finds as this account."""
        done = self.call("doctor", "--as-json", "--report-only")
        assert done.code == 0, done.error
        found: dict[str, Any] = json.loads(done.out)
        return found


@pytest.fixture(scope="module")
def least(app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Least]:
    name, layout = app.name, app.layout
    printed = app.call("rbac", f"--account={name}", f"--account-namespace={name}")
    assert printed.code == 0, printed.error
    kubectl(layout, "apply", "-f", "-", stdin=printed.out)
    document = json.loads(kubeconfig_path(layout, "deployer").read_text())
    token = kubectl(layout, "-n", name, "create", "token", name, "--duration=1h").strip()
    document["users"][0]["user"] = {"token": token}
    path = tmp_path_factory.mktemp("account") / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))
    yield Least(app, path)
    for namespace in ("argocd", "infra"):
        kubectl(layout, "-n", namespace, "delete", "role,rolebinding", name, "--ignore-not-found")
    kubectl(layout, "delete", "clusterrole,clusterrolebinding", name, "--ignore-not-found")


def test_the_account_is_nobody_elses_administrator(least: Least) -> None:
    def rules(namespace: str) -> list[dict[str, list[str]]]:
        role = kubectl(least.app.layout, "-n", namespace, "get", "role", least.app.name, "-o", "json")
        found: list[dict[str, list[str]]] = json.loads(role)["rules"]
        return found

    every = [rule for namespace in (least.app.name, "argocd", "infra") for rule in rules(namespace)]
    assert "*" not in json.dumps(every)
    secrets = [rule for rule in every if rule["resources"] == ["secrets"]]
    assert not any({"list", "watch", "delete"} & set(rule["verbs"]) for rule in secrets)


def test_doctor_finds_nothing_wrong(least: Least) -> None:
    found = least.doctor()
    wrong = [check for check in found["checks"] if check["status"] == "failed"]
    assert wrong == []
    assert found["ok"] is True
    assert {f"rights: {least.app.name}", "git push", f"registry push: {least.app.name}"} <= {
        check["name"] for check in found["checks"] if check["status"] == "ok"
    }


def test_the_whole_journey_passes(least: Least) -> None:
    done = least.call("deploy", "--receipt-only")
    assert done.code == 0, done.error
    receipt = json.loads(done.out)
    service = receipt["services"][0]
    assert receipt["changed"] is True
    assert {pod["image_id"].partition("@")[2] for pod in service["pods"]} == {service["digest"]}
    assert service["stages"][-1]["stage"] == "proof"

    again = least.call("deploy", "--receipt-only")
    assert again.code == 0, again.error
    stages = json.loads(again.out)["services"][0]["stages"]
    acted = {stage["stage"] for stage in stages if stage["status"] == "Succeeded"}
    assert acted & {"build", "push", "secrets", "database", "gitops", "sync", "rollout"} == set()


def test_status_names_image_commits_and_who_deployed(least: Least) -> None:  # R17
    app = least.app
    said = least.call("status", "--as-json")
    assert said.code == 0, said.error
    found = json.loads(said.out)[0]
    head = app.head()
    assert [image["tag"] for image in found["images"]] == [head[:8]]
    assert found["images"][0]["digest"].startswith("sha256:")
    assert found["images"][0]["since"]
    assert found["deployment"]["source"] == head
    assert found["deployment"]["commit"] == app.gitops_head()
    assert found["deployment"]["author"].startswith("slipway <")
    assert found["argocd"]["sync"] == "Synced"
    assert found["replicas"] == {"ready": 2, "wanted": 2}
    assert [pod["restarts"] for pod in found["pods"]] == [0, 0]


def test_what_people_ask_of_a_running_service_needs_no_more_rights(least: Least) -> None:
    for function in ("logs", "metrics"):
        done = least.call(function)
        assert done.code == 0, done.error
    rotated = least.call("rotate", "--key=JWT_SECRET", f"--confirm={least.app.name}-secrets")
    assert rotated.code == 0, rotated.error


def test_cost_is_that_of_the_pods_and_says_what_it_may_not_see(least: Least) -> None:  # R27
    said = least.call("cost")
    assert said.code == 0, said.error
    app = least.app
    pod = app.get("deployment", app.name)["spec"]["template"]["spec"]["containers"][0]
    assert f"Deployment/{app.name} in namespace {app.name}: 2 pods" in said.out
    assert f" {pod['resources']['requests']['cpu']} " in said.out
    assert "unknown: whether an autoscaler changes the number of pods: " in said.out
    assert "unknown: which share of the nodes that is: " in said.out
    assert "EXAMPLE PRICES, not yours" in said.out


def test_doctor_names_exactly_the_right_that_is_taken_away(least: Least) -> None:
    app = least.app
    role = app.get("role", app.name)
    for rule in role["rules"]:
        if rule["resources"] == ["events"]:
            rule["verbs"].remove("list")
    role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]
    kubectl(app.layout, "replace", "-f", "-", stdin=json.dumps(role))

    done = least.call("doctor", progress="plain")

    assert done.code == 1
    assert f"checks failed: rights: {app.name} (rights: {app.name}: 1 of " in done.error
    assert f"list events in namespace {app.name} (rollout)" in done.error
    assert "Next: dagger call rbac" in done.error
    # The table is shown all the same, and the other checks in it.
    assert "kubernetes" in done.stderr
    assert "may push to" in done.stderr
    assert done.out == ""
    assert json.loads(least.kubeconfig.read_text())["users"][0]["user"]["token"] not in done.stderr


def test_argo_cds_own_api_does_without_any_right_on_applications(least: Least) -> None:
    app, layout = least.app, least.app.layout
    kubectl(layout, "-n", argocd.NAMESPACE, "delete", "role,rolebinding", app.name)
    app.commit(
        {"slipway.yaml": f"{(app.folder / 'slipway.yaml').read_text()}\nargocd: {{server: {argocd.URL}}}\n"}
    )
    token = layout.credentials / "argocd"

    done = app.call(
        "sync",
        before=[f"--kube-config=file://{least.kubeconfig}", f"--argocd-auth-token=file://{token}"],
        progress="plain",
    )

    assert done.code == 0, done.error
    synced = re.search("Synced at ([0-9a-f]{8})", done.out)
    assert synced
    # Others may have committed since.
    assert app.gitops_contains(synced[1], app.gitops_head())
    assert token.read_text() not in done.out + done.stderr
