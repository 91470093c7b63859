"""The files of a run (R19)."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import SecretStr

from slipway_host import receipt_keeper, record, recording, run_report
from slipway_host.applications import KubernetesApplications
from slipway_host.delivery import Delivery
from slipway_host.passage import Accounts, Passage
from slipway_host.plain import Plain
from slipway_host.progress import silent
from slipway_host.results import StageResult, Status
from slipway_host.run import Run
from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings, SecretsSettings
from support.kube import FakeKube
from support.receipts import document, service
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient

CANARY = "canary-4711/x"
GIT = GitSettings(
    url="https://h.test/a/b.git", branch="main", receipts="slipway-receipts", token=SecretStr(CANARY)
)


def passage(kube: FakeKube) -> Passage:
    given = SecretsSettings(name="api-secrets", given={"REDIS_URL": SecretStr("redis://x:canary-pass@h")})
    client = cast("KubeClient", kube)
    applications = KubernetesApplications(client)
    # As Argo CD's own API leaves it, once it was asked for something.
    applications.secrets = (SecretStr("canary-argocd"),)
    delivery = Delivery(
        target=api_target(secrets=given), kube=client, applications=applications, run_id="r", report=silent
    )
    registry = RegistrySettings(host="r.test", username="bot", password=SecretStr("canary-registry"))
    postgres = PostgresSettings(
        namespace="infra", selector="x", container="x", host="x", port=1, admin_user="x", secret="x"
    )
    accounts = Accounts(registry=registry, git=GIT, postgres=postgres)
    return Passage("api", delivery, accounts, command="dagger call deploy")


def test_files_are_receipt_log_and_summary() -> None:
    log = record.Log(silent)
    log("api test: started")
    log.note("ok  \x1b[31mred\x1b[0m\n\n::set-output name=x::y", of="api test")
    found = record.files(document(service(commit="c" * 40, pods=[{"name": "p"}])), log.lines)
    assert sorted(found) == ["build.log", "receipt.json", "summary.md"]
    lines = found["build.log"].decode().splitlines()
    assert [line[25:] for line in lines[:4]] == [
        "api test: started",
        "api test| ok   [31mred [0m",
        "api test|",
        "api test| ::set-output name=x::y",
    ]
    assert lines[-1].startswith("Deployed api 1234abcd in prod")
    assert json.loads(found["receipt.json"])["services"][0]["service"] == "api"


def test_a_long_log_keeps_its_beginning_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "LOG_LIMIT", 1000)
    log = record.files(document(), ["first", *("x" * 100 for _ in range(50)), "last"])["build.log"].decode()
    assert len(log) < 1100
    assert log.startswith("first\n")
    assert "\nlast\n" in log
    assert "characters are left out" in log


async def test_no_secret_of_the_run_is_in_what_stays_of_it(
    kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []

    async def keep(_: object, found: object, *__: object, **___: object) -> None:
        kept.append(json.dumps(found))

    monkeypatch.setattr(receipt_keeper, "keep", keep)
    words = f"{CANARY} canary-4711%2Fx canary-registry canary-argocd redis://x:canary-pass@h canary-pass"
    failed = service(status="Failed", error=f"push: {words}. Landed: nothing.")
    failed["stages"][0] |= {"summary": words, "outputs": {"list": [words]}}
    log = record.Log(silent)
    log(words)
    found = await recording.keep(document(failed), [passage(kube)], log)
    assert "canary" not in "".join([*kept, *(data.decode() for data in found.files.values())])
    assert found.document["services"][0]["error"].startswith("push: *** *** ***")


async def test_a_run_without_services_keeps_its_files_alone() -> None:
    found = await recording.keep(document(error="deploy: GH_PAT is not given"), [], record.Log(silent))
    assert b"GH_PAT is not given" in found.files["receipt.json"]
    assert found.files["build.log"].endswith(b"Failed: deploy: GH_PAT is not given\n")


async def test_report_is_added_of_a_run_that_ended_early_too(monkeypatch: pytest.MonkeyPatch) -> None:
    log = record.Log(silent)
    failed = document(error="deploy: no <such> account. Landed: nothing. Next: dagger call deploy")
    run = recording.Recording(document=failed, files={"receipt.json": b"{}"})
    made = await recording.illustrated(run, [], log)
    assert made.files["receipt.json"] == b"{}"
    assert b"no &lt;such&gt; account" in made.files["report.html"]

    def broken(*_: object, **__: object) -> str:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(run_report, "run_report", broken)
    assert await recording.illustrated(run, [], log) == run
    assert log.lines[0].endswith(
        f"WARNING: the report of run {failed['run']} was not made: ZeroDivisionError"
    )


def test_files_are_written_and_the_summary_is_added_to_the_step(tmp_path: Path) -> None:
    log = record.Log(silent)
    run = recording.Recording(document=document(), files=record.files(document(), []))
    step = tmp_path / "step.md"
    step.write_text("before\n")
    recording.write(run, folder=str(tmp_path / "a" / "b"), step_summary=str(step), log=log)
    assert {file.name for file in (tmp_path / "a" / "b").iterdir()} == set(run.files)
    assert step.read_text().startswith("before\n### ✅ Nothing to do")
    assert log.lines == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = record.Log(silent)
    run = recording.Recording(document=document(run="20260801T000000-0001"), files={})
    recording.write(run, folder=str(tmp_path / "file" / "x"), step_summary="", log=log)
    assert "WARNING: the files of run 20260801T000000-0001 were not written" in log.lines[0]


async def test_what_stages_say_is_noted_with_their_names_and_shown_by_the_view() -> None:
    said: list[str] = []
    log = record.Log(Plain(said.append))
    run = Run(service="api", report=log, next_command="again")

    async def act() -> StageResult:
        log("migrate: one row")
        return StageResult(stage="migrate", status=Status.SUCCEEDED, summary="done")

    await run.stage("migrate", act)
    assert [line.partition(" ")[2] for line in log.lines] == [
        "api › migrate: one row",
        "api › migrate: Succeeded in 0.0 s, done",
    ]
    assert [line.split() for line in said] == [
        ["·", "api", "›", "migrate", "0.0", "s", "one", "row"],
        ["✓", "api", "›", "migrate", "0.0", "s", "done"],
    ]
