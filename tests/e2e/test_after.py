"""R17 and fault 81: what people ask of a service that runs, and how a stuck sync is ended.

The tests of this file are one story and run in their order.
"""

import json
import threading

from slipway_lab.kubernetes import kubectl
from support.app import App

NOWHERE = "0" * 40


def test_a_deploy_whose_receipt_cannot_be_kept_is_a_deploy(app: App) -> None:  # R19
    # Beside the branch main, no branch below it can be.
    app.edit("slipway.yaml", "gitops:\n", "gitops:\n  receipts: { branch: main/receipts }\n")
    done = app.call("deploy", progress="logs")
    assert done.code == 0, done.error
    assert f"Deployed {app.name} {app.head()[:8]}" in done.out
    assert "was not kept on main/receipts: " in done.stderr
    assert app.receipts() == []


def test_logs_are_those_of_the_running_pods(app: App) -> None:
    done = app.call("logs", "--tail=20")
    assert done.code == 0, done.error
    lines = done.out.strip().splitlines()
    assert lines[0] == f"{app.name}:"
    pods = json.loads(app.kubectl("get", "pods", "-o", "json"))["items"]
    names = {pod["metadata"]["name"] for pod in pods}
    assert {line.partition(": ")[0] for line in lines[1:]} == names
    assert any('"msg":"serving"' in line for line in lines)
    assert "no container was ever restarted" in app.call("logs", "--previous").out


def test_new_lines_are_printed_as_they_come(app: App) -> None:
    # Nothing is new in a service that nobody uses: a new pod has something to say while it is followed.
    restart = threading.Timer(15, app.kubectl, ["delete", "pod", "--all", "--wait=false"])
    restart.start()
    done = app.call("logs", "--follow=30", progress="logs")
    restart.join()
    assert done.code == 0, done.stderr
    assert '"msg":"serving"' in done.stderr
    assert "new lines in 30 s" in done.out


def test_metrics_are_those_of_each_ready_pod(app: App) -> None:
    app.kubectl("rollout", "status", f"deployment/{app.name}", "--timeout=60s")
    done = app.call("metrics", "--match=http_requests")
    assert done.code == 0, done.error
    assert 'http_requests_total{code="2xx"}' in done.out
    assert "# TYPE http_requests_total counter" in done.out


def test_stuck_sync_is_named_waited_for_and_ended_on_request(app: App) -> None:  # faults 80 and 81
    # Somebody's sync of a commit that is nowhere, to be tried again in an hour: it runs until then.
    stuck = {
        "operation": {
            "initiatedBy": {"username": "mallory"},
            "retry": {"limit": 5, "backoff": {"duration": "1h", "maxDuration": "5h"}},
            "sync": {"revision": NOWHERE},
        }
    }
    application = ["-n", "argocd", "patch", "application", app.name]
    kubectl(app.layout, *application, "--type=merge", "--patch", json.dumps(stuck))
    app.kubectl("scale", "deployment", app.name, "--replicas=0")  # so that there is something to apply

    done = app.call("sync", "--terminate", progress="logs")

    assert done.code == 0, done.error
    assert "ending the sync of mallory, as asked" in done.stderr
    found = json.loads(kubectl(app.layout, "-n", "argocd", "get", "application", app.name, "-o", "json"))
    assert "operation" not in found
    assert found["status"]["sync"]["status"] == "Synced"


def test_rotation_changes_one_key_once_and_replaces_the_pods(app: App) -> None:  # R10
    def state() -> tuple[dict[str, str], set[str]]:
        data = app.get("secret", f"{app.name}-secrets")["data"]
        pods = json.loads(app.kubectl("get", "pods", "-o", "json"))["items"]
        return data, {pod["metadata"]["uid"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}

    app.kubectl("rollout", "status", f"deployment/{app.name}", "--timeout=60s")
    before, old_pods = state()
    rotate = ("rotate", "--key=JWT_SECRET", "--rotation=leak-1")

    refused = app.call(*rotate, "--confirm=yes")
    assert refused.code == 1
    assert f"{app.name}-secrets" in refused.error
    assert state() == (before, old_pods)

    done = app.call(*rotate, f"--confirm={app.name}-secrets")
    assert done.code == 0, done.error
    after, new_pods = state()
    assert after["JWT_SECRET"] != before["JWT_SECRET"]
    assert after["DATABASE_URL"] == before["DATABASE_URL"]
    assert not new_pods & old_pods
    assert after["JWT_SECRET"] not in done.stderr + done.out

    again = app.call(*rotate, f"--confirm={app.name}-secrets")
    assert "Skipped" in again.out
    assert state() == (after, new_pods)
