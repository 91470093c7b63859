"""Bad input and broken worlds: one line with stage, cause, what landed and the next command; exit code 1."""

from pathlib import Path

import pytest

from support.app import App, refused


@pytest.fixture
def untouched(app: App) -> None:
    """Give the test a repository as it was first committed."""
    app.reset()


@pytest.mark.usefixtures("untouched")
class TestConfiguration:
    def test_no_configuration(self, app: App) -> None:
        app.commit({"slipway.yaml": None})
        refused(app.call("deploy"), "config: the commit has no slipway.yaml")

    def test_unknown_key_names_line_and_nearest_key(self, app: App) -> None:
        app.edit("slipway.yaml", "namespace:", "namespase:")
        refused(app.call("deploy"), "config: slipway.yaml:2: namespase", 'did you mean "namespace"')

    def test_wrong_type_names_line_and_value(self, app: App) -> None:
        app.edit("slipway.yaml", "    database: {}", "    database: 3")
        lines = (app.folder / "slipway.yaml").read_text().splitlines()
        line = lines.index("    database: 3") + 1
        refused(app.call("deploy"), f"config: slipway.yaml:{line}: ", "database: expected keys", "got 3")

    def test_uncommitted_change(self, app: App) -> None:
        (app.folder / "main.go").write_text("package main\n")
        refused(app.call("deploy"), "config: 1 uncommitted change(s): main.go", "git commit")

    def test_unknown_service_lists_the_known(self, app: App) -> None:
        refused(app.call("deploy", "--service=nobody"), f"unknown service 'nobody': there are {app.name}")

    def test_unknown_environment_lists_the_known(self, app: App) -> None:
        said = app.call("deploy", before=["--environment=staging"])
        refused(said, "unknown environment 'staging': there are dev, prod")


@pytest.mark.usefixtures("untouched")
class TestWorld:
    def test_wrong_registry_password(self, app: App, wrong: str) -> None:
        said = app.call("deploy", before=[f"--registry-password={wrong}"])
        refused(said, "preflight: registry ", "refuses user 'mosuon-ci' (401)", "REGISTRY_PASSWORD")

    def test_wrong_git_token(self, app: App, wrong: str) -> None:
        said = app.call("deploy", before=[f"--gh-pat={wrong}"])
        refused(said, "preflight: ", "denies git fetch to the account slipway-bot")

    def test_missing_postgresql_pod(self, app: App) -> None:
        app.edit("slipway.yaml", "\nservices:", "\npostgres:\n  namespace: nowhere\n\nservices:")
        said = app.call("deploy")
        refused(said, "preflight: no PostgreSQL pod matches", "namespace nowhere", "kubectl")

    def test_missing_application(self, app: App) -> None:
        app.edit("slipway.yaml", "    database: {}", "    database: {}\n    app: nobody")
        said = app.call("deploy")
        refused(said, "preflight: Argo CD has no Application nobody", "apps/nobody/values.yaml", "kubectl")

    def test_failing_tests_stop_before_the_push(self, app: App) -> None:
        app.edit("internal/token/token.go", "package token", "package token\n\nvar broken int = 1.5")
        refused(app.call("deploy"), "test: ", "go vet", "internal/token")

    def test_tests_that_hang_are_ended(self, app: App) -> None:
        command = "      command: go vet ./... && go test ./..."
        app.edit("slipway.yaml", command, "      command: sleep 300\n      timeoutS: 3")
        refused(app.call("test"), "`sleep 300` took more than 3 s", f"dagger call test --service={app.name}")

    def test_critical_finding_is_reported_in_dev_and_stops_prod(self, app: App) -> None:
        (app.folder / "tools").mkdir()
        module = "module example.com/tools\n\ngo 1.24\n\nrequire golang.org/x/text v0.2.0\n"
        app.commit({"tools/go.mod": module})
        reported = app.call("scan")
        assert reported.code == 0, reported.error
        assert "source: 1 CRITICAL" in reported.out
        refused(
            app.call("deploy", before=["--environment=prod"]),
            "scan-source: 1 finding(s) of CRITICAL or higher in the source, which prod refuses",
            "CVE-2099-0003 in golang.org/x/text (fixed: 0.3.0)",
        )


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    path = tmp_path / "wrong"
    path.write_text("wrong-secret-4711")
    return f"file://{path}"
