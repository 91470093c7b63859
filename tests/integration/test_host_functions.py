"""R30: what people do after a deploy, by `slipway-host` alone, in one world of its own on the lab."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from slipway_host.gitops import commit_images
from slipway_host.image_change import ImageChange
from slipway_host.progress import silent
from slipway_lab.kubernetes import kubectl
from support import machine as machines
from support.worlds import TAG, World, Worlds, deployment

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_lab.layout import Layout
    from support.machine import Machine

BAD = "bbbb2222" * 5
SERVER = """
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"orders_total 7\\nrefunds_total 1\\n")
    def log_message(self, *a): pass
print("listening with password=canary-4711")
http.server.ThreadingHTTPServer(("", 4000), H).serve_forever()
"""
WORLDS = {"well": World(link="", says="", fix="", objects=(deployment(SERVER),))}


@pytest.fixture(scope="module")
def machine(worlds: Worlds, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    worlds.images.push(BAD[:8])
    service: Json = {"secrets": {"generate": {"JWT_SECRET": {}}}}
    return machines.machine(worlds, "well", tmp_path_factory.mktemp("host"), service)


async def test_what_runs_is_found_well_and_shown(worlds: Worlds, machine: Machine, kube: KubeClient) -> None:
    await worlds.check("well", kube)

    walk = machine.run("diagnose").stdout
    assert "✓ proof" in walk
    assert "note: HEAD" in walk
    strict = machine.run("diagnose", "--head", code=1)
    assert f"✗ values       apps/{machine.app}/values.yaml" in strict.stdout
    assert strict.stderr.endswith(f"Next: slipway-host deploy --service={machine.service}\n")
    (found,) = machine.json("diagnose", "--head", "--as-json")["services"]
    assert (found["broken"], found["fix"]) == ("values", f"slipway-host deploy --service={machine.service}")

    (entry,) = machine.json("history", "--as-json")[machine.service]
    assert (entry["tag"], entry["kind"]) == (TAG, "other")
    (seen,) = machine.json("status", "--as-json")
    assert seen["images"][0]["tag"] == TAG
    said = machine.run("logs", "--tail=5").stdout
    assert "listening with password=" in said
    assert "canary" not in said
    assert "orders_total 7" in machine.run("metrics", "--match=orders").stdout
    kinds = [one["kind"] for one in YAML(typ="safe").load_all(machine.run("rbac").stdout)]
    assert {"ServiceAccount", "Role", "ClusterRole"} <= set(kinds)


async def test_a_bad_version_is_rolled_back_and_held(machine: Machine) -> None:
    image = ImageChange(
        app=machine.app,
        path=f"apps/{machine.app}/values.yaml",
        tag=BAD[:8],
        digest=None,
        write_digest=False,
        source_commit=BAD,
        source_url=None,
    )
    await commit_images(machine.git, [image], run_id="run-1", report=silent, deadline_s=60)
    machine.run("sync")
    machine.until_image(BAD[:8])

    absent = machine.run("rollback", "--to=absent", code=1)
    assert absent.stderr.endswith("Next: slipway-host history, and name a tag that is there with --to\n")
    done = machine.run("rollback", "--reason=500s", "--by=ann")
    assert f"rolled back from {BAD[:8]}, which is held: slipway-host hold" in done.stdout
    receipt = json.loads(done.stdout[done.stdout.index("\n{") :])
    (service,) = receipt["services"]
    assert (service["status"], service["rollback"]["to"]) == ("Deployed", TAG)
    assert len(service["pods"]) == 1
    assert machine.image().endswith(f":{TAG}")
    again = machine.json("rollback", "--receipt-only")
    assert not again["changed"]

    assert f"tag {BAD[:8]} is held by ann since" in machine.run("hold").stdout
    more = machine.run("rollback", "--hold", "--reason=incident 7")
    assert f"{TAG} was returned to before; every deploy is held now" in more.stdout
    assert ": incident 7" in machine.run("hold").stdout
    assert "nothing is held" in machine.run("hold", "--lift").stdout
    entries = machine.json("history", "--as-json", "--limit=2")[machine.service]
    assert [entry["kind"] for entry in entries] == ["rollback", "deploy"]
    # R19: of the runs that did something, the newest; what commit_images wrote alone has no receipt.
    last = json.loads(more.stdout[more.stdout.index("\n{") :])["run"]
    assert [(entry["run"], entry["status"]) for entry in entries] == [(last, "Deployed"), ("", "")]
    assert entries[0]["doubt"] == ""
    assert f"✓ {last}" in machine.run("history").stdout


def test_an_emergency_undo_says_how_to_return(machine: Machine) -> None:
    done = machine.run("undo", "--by=ann")
    assert "automated sync of " in done.stdout
    assert f"slipway-host resume --service={machine.service}" in done.stdout
    assert machine.image().endswith(f":{BAD[:8]}")
    assert "suspended by ann" in machine.run("status").stdout
    refused = machine.run("sync", code=1)
    assert f"slipway-host rollback --service={machine.service}, which makes" in refused.stderr
    assert "Succeeded: " in machine.run("resume").stdout
    machine.until_image(TAG)


async def test_a_rotation_gives_a_new_value_once(layout: Layout, machine: Machine) -> None:
    machine.run("secrets")
    words = ("rotate", "--key=JWT_SECRET", f"--confirm={machine.app}-secrets", "--rotation=r1")
    refused = machine.run(*words[:2], "--confirm=other", code=1)
    assert refused.stderr.endswith(f"Next: add --confirm={machine.app}-secrets\n")

    def value() -> str:
        path = "jsonpath={.data.JWT_SECRET}"
        return kubectl(layout, "-n", machine.app, "get", "secret", f"{machine.app}-secrets", "-o", path)

    before = value()
    done = machine.run(*words)
    after = value()
    assert "JWT_SECRET: rotated; " in done.stdout
    assert "all pods are new" in done.stdout
    assert machine.run(*words).stdout.startswith("Skipped: ")
    assert before != after == value()
