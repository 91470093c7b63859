"""`slipway-host` as a shell sees it: exit codes, one line for an error, secrets out of the environment."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from slipway_host import cli
from slipway_host.call import Record
from slipway_host.command import COMMANDS, parser
from slipway_host.environ import SECRETS, Environ
from slipway_host.errors import SettingsError
from slipway_host.progress import silent
from slipway_host.run import Run
from slipway_host.source import Source

CI = Path(__file__).parents[3] / "ci"
CONFIG = {
    "registry": "registry.invalid/acme",
    "gitops": {"repository": "https://git.invalid/acme/gitops.git"},
    "services": {"api": {}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "slipway.yaml").write_text(json.dumps(CONFIG))
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Start"]):
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", *words]
        subprocess.run(git, cwd=tmp_path, check=True)
    return tmp_path


def run(folder: Path, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "slipway_host.cli", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(CI), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_command_and_every_account() -> None:
    text = parser().format_help()
    assert [name for name in (*COMMANDS, *SECRETS, "KUBECONFIG", "NO_COLOR") if name not in text] == []
    assert max(len(line) for line in text.splitlines()) <= 110


def test_the_effective_configuration_needs_no_account(folder: Path) -> None:
    done = run(folder, "config")
    assert done.returncode == 0, done.stderr
    assert "registry.invalid/acme" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("deploy",), 1, "Error: deploy: REGISTRY_PASSWORD is not given. Landed: nothing. Next: export"),
        (("status",), 1, "Error: status: no kubeconfig: there is no"),
        (("secrets", "--service=apu"), 1, "unknown service 'apu': there are api; did you mean \"api\"?"),
        (("deploy", "--environment=prud"), 1, "prud"),
        (("deploy", "--commit=--output=x"), 1, "has no commit '--output=x'"),
        (("config", "--config=absent.yaml"), 1, "absent.yaml cannot be read"),
        (("migrate",), 1, "Error: migrate: REGISTRY_PASSWORD is not given. Landed: nothing. Next: export"),
        (("status", "--app-secret=X"), 2, "unrecognized arguments: --app-secret=X"),
        (("gitops", "--receipt=absent"), 1, "absent cannot be read"),
        (("deploy", "--image=api=latest"), 1, "is no image"),
        (("deply",), 2, "invalid choice: 'deply'"),
        (("history", "--limit=0"), 1, "--limit is 1 to 10000. Landed: nothing. Next: slipway-host history"),
        (("history",), 1, "Error: history: GH_PAT is not given. Landed: nothing. Next: export GH_PAT"),
        (("hold", "--lift", "--reason=x"), 1, "GH_PAT is not given"),
        (("logs", "--follow=9999"), 1, "--follow 0 to 3600 seconds"),
        (("logs", "--tail=many"), 2, "invalid int value"),
        (("undo", "--to-revision=-1"), 1, "--to-revision is a number"),
        (("rollback", "--to=a", "--revert=b"), 1, "--to and --revert name two ways back"),
        (("rotate", "--key=JWT_SECRET"), 2, "the following arguments are required: --confirm"),
        (("rotate", "--key=JWT_SECRET", "--confirm=api"), 1, "Next: add --confirm=api-secrets"),
        (("rbac", "--account=X"), 1, "'X' is not a Kubernetes name"),
        (("database", "--reset-password=root"), 1, "no chosen service's database belongs to role 'root'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    folder: Path, words: tuple[str, ...], code: int, line: str
) -> None:
    done = run(folder, *words)
    assert done.returncode == code
    assert line in done.stderr.splitlines()[-1]
    assert done.stdout == ""
    assert code == 2 or len(done.stderr.splitlines()) == 1


def test_doctor_prints_every_check_and_then_one_line_that_names_the_failed(folder: Path) -> None:  # R22
    done = run(folder, "doctor")
    assert done.returncode == 1
    assert "REGISTRY_PASSWORD is not given" in done.stdout
    assert "no kubeconfig: there is no" in done.stdout
    assert "rights: api " in done.stdout
    assert "not looked at, because of kubernetes" in done.stdout
    line = done.stderr.splitlines()[-1]
    assert line.startswith("Error: doctor: ")
    assert "checks failed: kubernetes, git, registry pull: api, registry push: api" in line


def test_a_configuration_that_the_commit_does_not_have_is_not_delivered(folder: Path) -> None:
    (folder / "slipway.yaml").write_text(json.dumps({**CONFIG, "namespace": "other"}))
    done = run(folder, "deploy")
    assert done.returncode == 1
    assert "slipway.yaml is not what commit" in done.stderr


def test_a_receipt_of_another_environment_is_refused(folder: Path) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
    )
    receipt = {"commit": head.stdout.strip(), "environment": "prod", "services": []}
    (folder / "receipt.json").write_text(json.dumps(receipt))
    done = run(folder, "deploy", "--receipt=receipt.json", "--environment=dev")
    assert "is a receipt of environment prod, and dev was asked for" in done.stderr


@pytest.mark.parametrize("command", ["deploy", "migrate", "gitops", "rollback"])
def test_where_a_signature_is_required_no_image_passes_that_nothing_verifies(
    folder: Path, command: str
) -> None:
    """A receipt that says so is no proof either, and no account is asked for before."""
    required = {**CONFIG, "environments": {"prod": {"requireSignature": True}}}
    (folder / "slipway.yaml").write_text(json.dumps(required))
    done = run(folder, command, "--environment=prod")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"Error: {command}: prod requires a verified signature of each image, and nothing here verifies one: "
        f"only `dagger call {command}` has cosign. Landed: nothing. "
        f"Next: dagger call --environment=prod {command}\n"
    )
    # What runs no image goes on, here to the next thing that is missing.
    assert "no kubeconfig" in run(folder, "status", "--environment=prod").stderr


def test_secrets_leave_the_environment_and_may_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "pat"
    file.write_text("from-a-file\n")
    variables = {"REGISTRY_PASSWORD": "canary", "GH_PAT_FILE": str(file), "JWT_SECRET": "", "PATH": "/bin"}
    environ = Environ(variables)
    assert variables == {"GH_PAT_FILE": str(file), "PATH": "/bin"}
    assert environ.required("REGISTRY_PASSWORD").get_secret_value() == "canary"
    assert environ.required("GH_PAT").get_secret_value() == "from-a-file"
    assert environ.secret("JWT_SECRET") is None
    with pytest.raises(SettingsError, match="POSTGRES_PASSWORD is not given"):
        environ.required("POSTGRES_PASSWORD")


def test_a_defect_is_told_by_place_and_kind_and_never_by_value(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(secret: str) -> None:
        raise ValueError(secret)

    caught: BaseException
    try:
        fail("canary-secret")
    except ValueError as error:
        caught = ExceptionGroup("group", [error])
    assert cli._defect(caught) == 3
    said = capsys.readouterr().err
    assert "a defect of Slipway: ValueError" in said
    assert f"{__file__}:" in said
    assert "canary" not in said


def test_progress_holds_no_escape_sequence_and_no_workflow_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Pods say things, too (fault 99)."""
    cli._say("pod says \x1b[2J\x1b]0;x\x07\n::set-output name=a::b")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert "::" not in said


def test_an_interrupted_emergency_says_what_may_have_landed() -> None:
    run = Run(service="api", report=silent, next_command="")
    run.begin("undo")
    said = cli._interrupted(cast("Any", SimpleNamespace(ways=[Record("api", run)])), "undo", signal.SIGINT)
    assert said.startswith("undo: ended by SIGINT; under way, and may have landed: undo. Landed: nothing.")


async def test_a_repository_s_address_is_shown_without_credentials(folder: Path) -> None:
    words = ["git", "remote", "add", "origin", "https://me:canary@git.invalid/acme/api.git"]
    await anyio.run_process(words, cwd=folder)
    assert await Source(folder).url() == "https://git.invalid/acme/api.git"


async def test_ancestors_are_those_of_the_commit_alone(folder: Path) -> None:
    source = Source(folder)
    first = await source.resolve("HEAD")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid"]
    await anyio.run_process([*git, "commit", "--quiet", "--allow-empty", "--message", "x"], cwd=folder)
    second = await source.resolve("HEAD")
    assert await source.ancestors(second) == {first}
    assert await source.ancestors(first) == frozenset()
    assert await source.file_at(first, "slipway.yaml") == json.dumps(CONFIG).encode()
    assert await source.file_at(first, "absent") is None
