"""R1, R6 and R11 with several services: side by side, in one GitOps commit, each failing by itself.

The tests of this file are one story and run in their order.
"""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from slipway_lab import lab
from support.app import App

PARTS = ("api", "ui", "worker")


def services(receipt: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {service["service"]: service for service in receipt["services"]}


def tag(app: App, part: str) -> str:
    line = next(
        line
        for line in app.gitops_file(f"apps/{app.name}-{part}/values.yaml").splitlines()
        if line.strip().startswith("tag:")
    )
    return line.partition('"')[2].partition('"')[0]


def test_one_call_deploys_all_services_with_one_commit(shop: App) -> None:
    receipt = shop.deploy()

    found = services(receipt)
    assert {name: service["status"] for name, service in found.items()} == {
        f"{shop.name}-{part}": "Deployed" for part in PARTS
    }
    commits = {shop.gitops_head(f"{shop.name}-{part}") for part in PARTS}
    assert commits == {receipt["gitopsCommit"]}
    assert all(service["pods"] for service in found.values())
    # R14, R26: only the api has a smoke test and a load check, which asked its new pods.
    asked = {
        (name, stage["stage"]): stage["status"]
        for name, service in found.items()
        for stage in service["stages"]
        if stage["stage"] in {"smoke", "load"}
    }
    api = f"{shop.name}-api"
    assert asked == {(api, "smoke"): "Succeeded", (api, "load"): "Succeeded"}
    assert found[api]["load"]["statusCodes"] == {"200": 60}


def test_argument_of_the_environment_is_baked_into_the_page(shop: App) -> None:
    address = shop.get("service", f"{shop.name}-ui")["spec"]["clusterIP"]
    page = lab.inside(shop.layout, ["curl", "-sS", "--max-time", "10", f"http://{address}/"])
    assert "https://api.dev.game-stats.example" in page


def test_reports_of_the_tests_are_exported(shop: App, tmp_path: Path) -> None:
    done = shop.call("test-reports", "export", f"--path={tmp_path}")
    assert done.code == 0, done.error
    for part in ("ui", "worker"):
        path = tmp_path / f"{shop.name}-{part}" / "junit.xml"
        suites = ET.parse(path).getroot()  # noqa: S314 - our own tests wrote it
        cases = list(suites.iter("testcase"))
        assert len(cases) > 5
        # The worker's database tests run: a PostgreSQL is beside them.
        assert [case for case in cases if case.find("skipped") is not None] == []
    assert "ok" in (tmp_path / f"{shop.name}-api" / "output.txt").read_text()


def test_unchanged_folder_is_not_tested_again_for_a_commit_to_another(shop: App, tmp_path: Path) -> None:
    def reports(name: str) -> dict[str, bytes]:
        done = shop.call("test-reports", "export", f"--path={tmp_path / name}")
        assert done.code == 0, done.error
        return {
            part: (tmp_path / name / f"{shop.name}-{part}" / "junit.xml").read_bytes()
            for part in ("ui", "worker")
        }

    before = reports("before")
    shop.edit("ui/package.json", '"name"', ' "name"')
    after = reports("after")

    # A report has its own time: equal bytes are of one and the same run.
    assert after["worker"] == before["worker"]
    assert after["ui"] != before["ui"]


def test_only_what_changed_is_deployed(shop: App) -> None:
    before = {part: tag(shop, part) for part in PARTS}
    commit = shop.commit({"ui/README.md": "# changed\n"})

    done = shop.call("deploy", "--changed-since=HEAD~1", "--receipt-only")

    assert done.code == 0, done.error
    assert list(services(json.loads(done.out))) == [f"{shop.name}-ui"]
    assert {part: tag(shop, part) for part in PARTS} == {**before, "ui": commit[:8]}
    nothing = shop.call("deploy", "--changed-since=HEAD")
    assert nothing.out.startswith("Nothing to do: no service is concerned.")


def test_unknown_revision_is_one_line(shop: App) -> None:
    done = shop.call("deploy", "--changed-since=nowhere")
    assert done.code == 1
    assert "config: this repository has no revision 'nowhere'. Landed: nothing. Next: git fetch" in done.error


def test_failure_of_one_service_hides_nothing_of_the_others(shop: App, tmp_path: Path) -> None:
    before = tag(shop, "ui")
    commit = shop.edit("ui/package.json", '"test:junit": "', '"test:junit": "exit 7; ')

    done = shop.call("deploy", progress="logs")

    assert done.code == 1
    assert f"1 of 3 services failed: {shop.name}-ui: test: " in done.error, done.error
    assert {part: tag(shop, part) for part in PARTS} == {
        "api": commit[:8],
        "ui": before,
        "worker": commit[:8],
    }
    assert f"Deployed {shop.name}-api {commit[:8]} in dev" in done.stderr
    page = tmp_path / "report.html"
    assert shop.call("report", "-o", str(page)).code == 0
    text = page.read_text()
    assert f"<title>{shop.name}-ui failed in dev; 2 of 3 services run {commit[:8]}</title>" in text
    assert f"{shop.name}-ui: test failed" in text


def test_what_depends_on_a_failure_is_held_back(shop: App) -> None:
    before = tag(shop, "worker")
    shop.edit("api/internal/token/token.go", "package token", "package token\n\nvar broken int = 1.5")

    done = shop.call("deploy", f"--service={shop.name}-api,{shop.name}-worker")

    assert done.code == 1
    assert f"{shop.name}-worker: gitops: held back: it depends on {shop.name}-api, which failed" in done.error
    assert tag(shop, "worker") == before


def test_prod_deploys_without_latest(shop: App) -> None:
    shop.edit("api/internal/token/token.go", "package token\n\nvar broken int = 1.5", "package token")
    # The same images as dev's would be: of the three only the ui's differ, and it stays out.
    text = (shop.folder / "slipway.yaml").read_text()
    start, end = text.index("environments:"), text.index("services:\n  m")
    commit = shop.commit({"slipway.yaml": text[:start] + text[end:]})

    names = f"--service={shop.name}-api,{shop.name}-worker"
    done = shop.call("deploy", names, "--receipt-only", before=["--environment=prod"])

    assert done.code == 0, done.error
    for service in services(json.loads(done.out)).values():
        push = next(stage for stage in service["stages"] if stage["stage"] == "push")
        assert service["status"] == "Deployed"
        assert push["outputs"]["tags"] == [commit[:8]]


def test_tag_with_other_build_arguments_is_refused(shop: App) -> None:
    assert shop.call("push", f"--service={shop.name}-ui").code == 0

    done = shop.call("push", f"--service={shop.name}-ui", before=["--environment=prod"])

    assert done.code == 1
    assert "exists with other build arguments or platforms; it is not overwritten" in done.error, done.error
