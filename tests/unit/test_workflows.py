"""R3: the workflows run what the README says, with as few rights as they need."""

import inspect
import re
import shlex
from pathlib import Path

import pytest

from slipway import Slipway
from slipway.inputs import Stage
from slipway.stages import discover
from support.workflows import DEPLOY, FILES, MATRIX, PULL_REQUEST, ROOT, dagger_lines, read, steps

SECRETS = {
    "REGISTRY_USERNAME",
    "REGISTRY_PASSWORD",
    "KUBE_CONFIG",
    "POSTGRES_PASSWORD",
    "JWT_SECRET",
    "GH_PAT",
}
LINES = [(path, line) for path in FILES for line in dagger_lines(path)]


def documented() -> set[str]:
    """Every `dagger call` of the README and the documentation: whole lines and code in a text."""
    found: set[str] = set()
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = path.read_text()
        found |= {match[1] for match in re.finditer(r"`(dagger call [^`]+)`", text)}
        lines = (line.strip().removeprefix("$ ") for line in text.splitlines())
        found |= {line.partition("#")[0].strip() for line in lines if line.startswith("dagger call")}
    return found


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_rights_are_reading_the_repository_and_no_more(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    assert "pull_request_target" not in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_actions_are_pinned_by_commit_and_say_their_version(path: Path) -> None:
    uses = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    for line in uses:
        assert re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    for _, step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", FILES, ids=name)
def test_runs_of_one_kind_do_not_overlap_and_end(path: Path) -> None:
    workflow = read(path)
    for job in workflow["jobs"].values():
        assert "group" in (workflow.get("concurrency") or job["concurrency"])
        assert job["timeout-minutes"] > 0


@pytest.mark.parametrize(("path", "line"), LINES, ids=lambda value: getattr(value, "parent", value))
def test_a_line_is_the_documentations_own(path: Path, line: str) -> None:
    assert line in documented(), f"{name(path)} runs {line!r}, which neither README nor docs say"


@pytest.mark.parametrize("line", sorted({line for _, line in LINES}))
def test_a_line_calls_a_function_that_is_there(line: str) -> None:
    stages = {n: f for stage in discover() for n, f in vars(stage).items() if not n.startswith("_")}
    # What follows is a function of the engine's own.
    words = shlex.split(line.partition(" export ")[0])[2:]
    own = {flag.partition("=")[0] for flag in words if flag.startswith("--")}
    function = next(word for word in words if not word.startswith("--")).replace("-", "_")
    assert function in stages
    known = set(inspect.signature(stages[function]).parameters) | set(Slipway.__annotations__)
    assert {flag.removeprefix("--").replace("-", "_") for flag in own} <= known


def test_deploys_get_the_six_secrets_and_only_where_they_deploy() -> None:
    for path in (DEPLOY, MATRIX):
        for _, step in steps(path):
            given = {match for value in step.get("env", {}).values() for match in _secrets(value)}
            assert given == (SECRETS if "dagger call deploy" in step.get("run", "") else set())


def test_what_is_left_of_a_run_is_exported_whether_it_succeeded_or_not() -> None:
    for path in (DEPLOY, MATRIX):
        after = [step for _, step in steps(path)][-2:]
        assert [step["if"] for step in after] == ["always()", "always()"]
        assert 'record/summary.md >> "$GITHUB_STEP_SUMMARY"' in after[0]["run"]
        assert after[1]["uses"].startswith("actions/upload-artifact@")
        assert after[1]["with"]["path"] == "record"


def test_pull_requests_see_no_secret() -> None:
    assert "secrets" not in PULL_REQUEST.read_text().replace("nothing here sees a secret", "")
    assert dagger_lines(PULL_REQUEST) == ["dagger call test", "dagger call scan", "dagger call build"]


def test_matrix_has_every_service_of_the_repository() -> None:
    services = read(MATRIX.parents[2] / "slipway.yaml")["services"]
    assert dagger_lines(MATRIX) == [
        *(f"dagger call deploy --service={service}" for service in services),
        *(f"dagger call record --service={service} export --path=record" for service in services),
    ]


@pytest.mark.parametrize("path", [DEPLOY, MATRIX], ids=name)
def test_credentials_are_named_and_no_value_is_written(path: Path) -> None:
    text = next(step["run"] for _, step in steps(path) if step.get("name") == "Name the credentials")
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    known = {
        argument.replace("_", "").lower() for argument in Stage.__annotations__ or Slipway.__annotations__
    }
    assert {argument.lower() for argument in pairs} <= known
    named = {match for value in pairs.values() for match in re.findall(r"(?:env://|\$\{)([A-Z_]+)", value)}
    assert named == SECRETS


def _secrets(value: str) -> list[str]:
    return re.findall(r"secrets\.([A-Z_]+)", value)
