"""R3, R23, R31: the files of a service's repository, and that nothing is written over what is there."""

import json
from pathlib import Path

import pytest

from slipway_host.errors import SettingsError
from slipway_host.scaffold import by_hand
from slipway_host.scaffold.outcome import Outcome
from slipway_host.scaffold.repository import DEPLOY, PULL_REQUEST, Wishes, branch_of, scaffold
from slipway_host.scaffold.tree import Tree
from support.workflows import EXAMPLES

ASKED = Wishes(
    registry="ghcr.io/acme",
    gitops="https://git.example/acme/k8s.git",
    blueprint="https://git.example/slipway.git",
)
GO = {"go.mod": "module x\n", "main.go": 'package main\n// os.Getenv("DATABASE_URL") "/health" ":4000"\n'}

WITH_GIVEN = """
registry: ghcr.io/acme
gitops: {repository: https://git.example/acme/k8s.git}
services: {shop: {secrets: {given: [REDIS_URL]}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in GO.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder: Path, wishes: Wishes = ASKED) -> Outcome:
    outcome = scaffold(Tree(folder), wishes, folder="shop")
    outcome.write(folder)
    return outcome


def test_all_that_a_repository_needs_is_written(folder: Path) -> None:
    assert sorted(run(folder).new) == [
        ".dockerignore",
        DEPLOY,
        PULL_REQUEST,
        ".gitignore",
        "Dockerfile",
        "dagger.json",
        "slipway.env.example",
        "slipway.yaml",
    ]
    document = json.loads((folder / "dagger.json").read_text())
    engine = json.loads((EXAMPLES / "api" / "dagger.json").read_text())["engineVersion"]
    assert document == {
        "name": "shop",
        "engineVersion": engine,
        "blueprint": {"name": "slipway", "source": "https://git.example/slipway.git"},
    }


def test_a_second_run_writes_nothing(folder: Path) -> None:
    run(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = run(folder)
    assert (again.new, again.kept, again.advice) == ({}, {}, [])
    assert "Nothing to write." in again.report()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_is_there_stays_and_the_difference_is_told(folder: Path) -> None:
    (folder / ".github" / "workflows").mkdir(parents=True)
    mine = {DEPLOY: "name: mine\n", "Dockerfile": "FROM scratch\n", ".gitignore": "/bin\n"}
    for name, text in mine.items():
        (folder / name).write_text(text)
    outcome = run(folder)
    assert {name: (folder / name).read_text() for name in mine} == mine
    assert list(outcome.kept) == [DEPLOY]
    said = outcome.report()
    assert f"kept  {DEPLOY}: it differs" in said
    assert "-name: mine" in said
    assert ".gitignore: add a line `.env`" in said


def test_a_file_that_appears_meanwhile_stays(folder: Path) -> None:
    outcome = scaffold(Tree(folder), ASKED, folder="shop")
    (folder / "Dockerfile").write_text("FROM mine\n")
    with pytest.raises(FileExistsError):
        outcome.write(folder)
    assert (folder / "Dockerfile").read_text() == "FROM mine\n"


@pytest.mark.parametrize("path", [DEPLOY, PULL_REQUEST])
def test_workflows_are_those_of_the_examples(folder: Path, path: str) -> None:
    assert run(folder).new[path] == (EXAMPLES / "api" / path).read_text()


@pytest.mark.parametrize(("head", "branch"), [("master", "master"), ("main", "main"), ("feature/x", "main")])
def test_the_branch_that_deploys_is_the_repositorys(folder: Path, head: str, branch: str) -> None:
    outcome = scaffold(Tree(folder), ASKED, folder="x", branch=branch_of(f"ref: refs/heads/{head}\n"))
    assert f"    branches: [{branch}]\n" in outcome.new[DEPLOY]


def test_given_keys_have_a_place_in_workflow_and_credentials(folder: Path) -> None:
    (folder / "slipway.yaml").write_text(WITH_GIVEN)
    new = run(folder).new
    assert "          appSecrets=env://REDIS_URL\n" in new[DEPLOY]
    assert "          REDIS_URL: ${{ secrets.REDIS_URL }}\n" in new[DEPLOY]
    assert "appSecrets=env://REDIS_URL" in new["slipway.env.example"]


def test_no_credential_is_in_a_file(folder: Path) -> None:
    lines = [
        line for line in run(folder).new["slipway.env.example"].splitlines() if "=" in line and line[0] != "#"
    ]
    values = [line.partition("=")[2].partition(" ")[0] for line in lines]
    assert lines
    assert all(value.startswith(("env://", "${")) for value in values)


def test_the_next_steps_are_commands_of_the_callers_tool(folder: Path) -> None:
    by_dagger = run(folder).steps
    assert ("git clone https://git.example/acme/k8s.git ../k8s", "") in by_dagger
    assert "dagger call init-gitops --folder=../k8s export --path=../k8s" in [step for step, _ in by_dagger]
    by_host = scaffold(Tree(folder), Wishes(tool="slipway-host"), folder="shop").steps
    assert "slipway-host init-gitops --folder=../k8s" in [step for step, _ in by_host]


def test_a_broken_configuration_is_refused_before_anything_is_written(folder: Path) -> None:
    (folder / "slipway.yaml").write_text("registri: x\n")
    with pytest.raises(SettingsError, match=r"slipway\.yaml:1: gitops: this key is required"):
        run(folder)
    assert not (folder / "slipway.env.example").exists()


def test_the_remotes_name_counts_before_the_folders_and_its_credentials_do_not(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text(
        '[remote "origin"]\n\turl = https://u:pw22@git.example/acme/Game_API.git\n'
    )
    origin = by_hand.origin(folder)
    assert origin == "https://git.example/acme/Game_API.git"
    assert "  game-api:\n" in scaffold(Tree(folder), ASKED, folder="x", origin=origin).new["slipway.yaml"]
