"""R35: a build script of the usual kind, as slipway.yaml and as a list of what is left."""

from pathlib import Path

import pytest

from slipway_host.config import Config
from slipway_host.errors import SettingsError
from slipway_host.loader import load_config
from slipway_host.scaffold.outcome import Outcome
from slipway_host.scaffold.repository import Wishes, scaffold
from slipway_host.scaffold.secretive import is_secret
from slipway_host.scaffold.tree import Tree

SCRIPT = Path(__file__).parents[2] / "support" / "build.sh"
SECRETS = ("xoxb-123456789012", "9fK2LmQ8vTz4RbX7Wc1Ns6Yd3")


def outcome_of(folder: Path, script: str, **wishes: str) -> Outcome:
    (folder / "build.sh").write_text(script)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return scaffold(Tree(folder), Wishes(script="build.sh", **wishes), folder="repo")


def config_of(outcome: Outcome) -> Config:
    return load_config(outcome.new["slipway.yaml"])


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    return outcome_of(tmp_path, SCRIPT.read_text())


def test_every_variable_that_has_a_place_is_there(outcome: Outcome) -> None:
    config = config_of(outcome)
    assert (config.registry, config.namespace) == ("ghcr.io/harbour", "league")
    assert config.gitops.repository == "https://github.com/harbour/harbour-k8s.git"
    assert (config.gitops.branch, config.gitops.values) == ("master", "apps/{app}/values.yaml")
    assert config.gitops.author.model_dump() == {"name": "Harbour Bot", "email": "bot@harbour.example"}
    assert config.postgres.namespace == "data"
    service = config.services["league-api"]
    assert service.dockerfile == "build/Dockerfile"
    assert service.build_args == {"REVISION": "{tag}", "VERSION": "{tag}", "SEASON": "2026"}
    assert (service.database and (service.database.name, service.database.role)) == ("league", "league_user")
    assert service.secrets.name == "league-api-env"
    assert set(service.secrets.generate) == {"JWT_SECRET"}
    assert service.secrets.given == ("REDIS_URL",)
    assert (service.health.path, service.health.port) == ("/healthz", 8080)


def test_every_value_names_the_line_that_it_comes_from(outcome: Outcome) -> None:
    lines = SCRIPT.read_text().splitlines()
    for wanted, origin in {
        "registry: ghcr.io/harbour": "IMAGE_REPO=",
        "namespace: league": "NAMESPACE=",
        "name: league-api-env": "ENV_SECRET_NAME=",
        'VERSION: "{tag}"': "--build-arg VERSION",
        "given: [REDIS_URL]": "REDIS_URL=",
        "port: 8080": "PORT=",
    }.items():
        line = next(one.strip() for one in outcome.new["slipway.yaml"].splitlines() if wanted in one)
        number = int(line.partition("build.sh:")[2].split(",")[0].split(";")[0])
        assert origin in lines[number - 1], line


def test_no_secret_is_taken_over_or_repeated(outcome: Outcome) -> None:
    said = outcome.report() + "".join(outcome.new.values())
    assert [secret for secret in SECRETS if secret in said] == []
    assert "SLACK_TOKEN looks like a secret" in said
    assert "SUPPORT_KEY looks like a secret" in said
    assert "build argument NPM_TOKEN looks like a secret" in said


@pytest.mark.parametrize(
    "words",
    [
        "Trivy's result is thrown away (`|| true`), also in line 77",
        "makes a random value with every run",
        "deletes a Secret",
        "kubectl set image: Argo CD's selfHeal takes it back",
        "scales to 0",
        "a password in an argument of docker login",
        "pushes the tag latest",
        "prints a secret",
        "runs psql",
        "edits the values file",
        "one push, lost when somebody else is faster",
        "downloads what it then runs",
        "runs another script, which was not read",
        "BUILT_AT is known only when the script runs",
        "DB_TYPES → databases other than PostgreSQL have no place",
        "REPLICAS could not be read: it takes a run of",
        "CHANNEL has no place",
    ],
)
def test_what_has_no_place_is_told_with_its_line_and_advice(outcome: Outcome, words: str) -> None:
    told = [line for line in outcome.advice if words in line]
    assert len(told) == 1
    assert told[0].startswith("build.sh:")
    assert " → " in told[0]


def test_nothing_is_told_of_the_shells_own_variables(outcome: Outcome) -> None:
    assert [line for line in outcome.advice if ": RED" in line or ": NC" in line] == []


def test_a_workflow_that_runs_the_script_is_named(tmp_path: Path) -> None:
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "release.yml").write_text("run: ./build.sh\n")
    told = outcome_of(tmp_path, SCRIPT.read_text()).advice
    assert (
        ".github/workflows/release.yml: runs build.sh → remove it together with the script, or both deploy"
        in told
    )


def test_credentials_from_elsewhere_need_no_advice(tmp_path: Path) -> None:
    script = 'IMAGE_REPO=a.io/a/a\nDEVOPS_REPO=a/k\nGH_PAT="${GH_PAT:-}"\nTOKEN=$GH_PAT\n'
    script += 'echo "$REGISTRY_PASSWORD" | docker login --password-stdin\n'
    told = outcome_of(tmp_path, script).advice
    assert [line for line in told if line.startswith("build.sh:")] == []


def test_what_is_given_by_hand_wins_over_the_script(tmp_path: Path) -> None:
    asked = {"registry": "registry.example/team", "gitops": "https://git.example/team/k8s.git"}
    config = config_of(outcome_of(tmp_path, SCRIPT.read_text(), **asked))
    assert (config.registry, config.gitops.repository) == tuple(asked.values())


def test_a_registry_without_a_host_is_dockers(tmp_path: Path) -> None:
    script = "IMAGE_REPO=acme/api\nDEVOPS_REPO=acme/k8s\n"
    config = config_of(outcome_of(tmp_path, script))
    assert config.registry == "docker.io/acme"
    assert set(config.services) == {"api"}


def test_image_and_application_may_have_two_names(tmp_path: Path) -> None:
    script = "APP_NAME=api-prod\nIMAGE_REPO=ghcr.io/acme/api\nDEVOPS_REPO=acme/k8s\n"
    service = config_of(outcome_of(tmp_path, script)).services["api"]
    assert service.app == "api-prod"


def test_a_credential_in_an_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    script = "APP_NAME=a\nIMAGE_REPO=x.io/a/a\nDEVOPS_REPO=https://bot:hunter22@git.example/a/k8s.git\n"
    with pytest.raises(SettingsError, match="--gitops=") as error:
        outcome_of(tmp_path, script)
    assert "hunter22" not in str(error.value)


def test_what_nobody_tells_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nor build\.sh tells the registry and the GitOps") as error:
        outcome_of(tmp_path, "APP_NAME=${APP_NAME:-api}\n")
    assert "the same command with --registry=<host/namespace> --gitops=<https address>" in str(error.value)


def test_a_script_elsewhere_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    for path in ("/etc/passwd", "../x.sh", "missing.sh"):
        with pytest.raises(SettingsError, match="no such script"):
            scaffold(Tree(tmp_path), Wishes(script=path), folder="repo")


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("REGISTRY_PASSWORD", "x", True),
        ("GH_PAT", "", True),
        ("ENV_SECRET_NAME", "api-secrets", False),
        ("SETUP_SECRETS", "true", False),
        ("DEVOPS_DIR", "d:/Projects/Games/2024/Acme-devops-k8s-Cluster", False),
        ("SERVICE_DB_USER", "api_user", False),
        ("X", "postgresql://a:b@c/d", True),
        ("X", "https://github.com/acme/k8s.git", False),
        ("X", "ghp_0123456789abcdefghij", True),
        ("X", "a-name-that-is-long-but-is-only-words", False),
        ("X", "9fK2LmQ8vTz4RbX7Wc1Ns6Yd3", True),
        ("X", "-----BEGIN RSA PRIVATE KEY-----", True),
    ],
)
def test_what_looks_like_a_secret(name: str, value: str, secret: bool) -> None:  # noqa: FBT001
    assert is_secret(name, value) is secret
