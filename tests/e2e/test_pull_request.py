"""R3: the very lines of the workflows, in an environment that has no credentials, and with a CI's `.env`."""

import os
import shlex

import pytest

from support.app import App, Call
from support.workflows import DEPLOY, PULL_REQUEST, dagger_lines, steps


@pytest.fixture
def no_credentials(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout as CI has it: no `.env`, and nothing in the environment that could be a secret."""
    (app.folder / ".env").unlink(missing_ok=True)
    for name in (
        "KUBECONFIG",
        *(name for name in os.environ if name.endswith(("_PASSWORD", "_PAT", "_KEY"))),
    ):
        monkeypatch.delenv(name, raising=False)


def run(app: App, line: str) -> Call:
    return app.call(*shlex.split(line)[2:])


@pytest.mark.usefixtures("no_credentials")
class TestPullRequest:
    @pytest.mark.parametrize("line", dagger_lines(PULL_REQUEST))
    def test_line_needs_no_secret(self, app: App, line: str) -> None:
        said = run(app, line)
        assert said.code == 0, said.error
        assert app.name in said.out

    def test_deploy_without_credentials_names_what_is_missing(self, app: App) -> None:
        said = run(app, "dagger call deploy")
        assert said.code == 1
        assert "REGISTRY_PASSWORD is not given" in said.error


@pytest.mark.usefixtures("no_credentials")
def test_push_works_with_the_env_file_that_the_workflow_writes(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sources of the credentials, and the user's name taken from the environment as well."""
    writes = next(step["run"] for _, step in steps(DEPLOY) if step.get("name") == "Name the credentials")
    text = writes.partition("<<'END'\n")[2].partition("END")[0]
    folder = app.layout.credentials
    monkeypatch.setenv("REGISTRY_USERNAME", "mosuon-ci")
    monkeypatch.setenv("REGISTRY_PASSWORD", (folder / "registry").read_text())
    monkeypatch.setenv("JWT_SECRET", "")
    (app.folder / ".env").write_text(text)
    said = run(app, "dagger call push")
    assert said.code == 0, said.error
    assert f"/{app.name}@sha256:" in said.out
