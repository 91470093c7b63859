"""`slipway-host` with every kind of account that `dagger call` takes, on the lab's real services."""

import base64
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway_lab import gitea
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from support.gitea import Repository
from support.gitops_remote import VALUES, path
from support.host_side import HostSide, host_side
from support.postgres_server import LocalServer, debian, server

IMAGE = "docker.io/library/postgres:17"


@pytest.fixture(scope="module")
def managed() -> Iterator[LocalServer]:
    """A server outside the cluster that takes connections over TLS."""
    with server(debian()) as started:
        yield started


def secret(layout: Layout, namespace: str) -> dict[str, str]:
    said = kubectl(layout, "-n", namespace, "get", "secret", "api-secrets", "-o", "json")
    data: dict[str, str] = json.loads(said)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def test_a_managed_server_gives_a_database_url_that_connects_encrypted_and_is_never_changed(
    layout: Layout, namespace: str, managed: LocalServer, tmp_path: Path
) -> None:
    service = {"database": {}, "secrets": {"given": ["REDIS_URL"]}}
    postgres = {"ca": managed.ca}
    here = host_side(layout, tmp_path, namespace, service, postgres=postgres)
    accounts = {**here.accounts(), "GH_PAT": "canary-never-used"}
    dsn = managed.dsn(query="defaultdb?sslmode=verify-full").get_secret_value()
    absent = here.run("database", **accounts, POSTGRES_DSN=dsn, REDIS_URL="redis://canary")
    assert absent.returncode == 1
    assert "lacks REDIS_URL, and no value is given" in absent.stderr
    assert "--app-secret=REDIS_URL" in absent.stderr

    words = ("database", "--app-secret=REDIS_URL")
    done = here.run(*words, **accounts, POSTGRES_DSN=dsn, REDIS_URL="redis://canary")
    assert done.returncode == 0, done.stderr
    stored = secret(layout, namespace)
    url = stored["DATABASE_URL"]
    assert url.endswith(f"@localhost:{managed.port}/api?sslmode=verify-full")
    assert stored["REDIS_URL"] == "redis://canary"
    password = managed.password.get_secret_value()
    assert not [word for word in ("canary", password, dsn) if word in done.stdout + done.stderr]

    ca = tmp_path / "ca.pem"
    ca.write_text(managed.ca)
    query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    said = subprocess.run(
        ["psql", "-X", "-A", "-t", url, "-c", query],
        env={"PATH": os.environ["PATH"], "PGSSLROOTCERT": str(ca)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout.strip() == "t"

    plain = managed.dsn(query="").get_secret_value()
    again = here.run("database", **accounts, POSTGRES_DSN=plain)
    assert again.returncode == 0, again.stderr
    assert all(": Skipped: " in line for line in again.stdout.splitlines())
    assert secret(layout, namespace) == stored


def test_a_migration_runs_by_itself_once(layout: Layout, namespace: str, tmp_path: Path) -> None:
    migration = {"command": ["sh", "-c", "echo migrated"], "image": IMAGE, "runAsUser": 65534}
    here = host_side(layout, tmp_path, namespace, {"migration": migration})
    kubectl(layout, "create", "namespace", namespace)
    missing = here.run("migrate", **here.accounts())
    assert missing.returncode == 1
    assert "is not in the registry" in missing.stderr
    here.push_image()
    done = here.run("migrate", **here.accounts())
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stderr.splitlines() if line.endswith("  migrated")]
    assert [line[:4] for line in words] == [["·", "api", "›", "migrate"]], done.stderr
    assert "api: Succeeded: Job api-migrate-" in done.stdout
    again = here.run("migrate", **here.accounts())
    assert "api: Skipped: Job api-migrate-" in again.stdout


def test_a_deploy_that_fails_at_once_leaves_its_files(layout: Layout, namespace: str, tmp_path: Path) -> None:
    # R19.
    here, out, step = host_side(layout, tmp_path, namespace, {}), tmp_path / "out", tmp_path / "step.md"
    accounts = {**here.accounts(), "GH_PAT": "canary-never-used", "GITHUB_STEP_SUMMARY": str(step)}
    done = here.run("deploy", f"--output={out}", **accounts)
    assert done.returncode == 1
    assert "is not in the registry" in done.stderr
    files = {file.name: file.read_text() for file in out.iterdir()}
    assert sorted(files) == ["build.log", "receipt.json", "report.html", "summary.md"]
    receipt = json.loads(files["receipt.json"])
    assert (receipt["commit"], receipt["services"]) == (here.commit, [])
    assert "is not in the registry" in receipt["error"]
    assert step.read_text() == files["summary.md"]
    assert files["summary.md"].startswith("### ❌ Failed")
    assert "canary" not in "".join(files.values())


@pytest.fixture
def repository(layout: Layout, run_id: str) -> Iterator[Repository]:
    found = Repository(layout, run_id, ssl.create_default_context(cafile=str(layout.trust)))
    found.create({path("api"): VALUES.format(app="api")})
    yield found
    found.delete()


@pytest.fixture
def over_ssh(
    layout: Layout, run_id: str, repository: Repository, tmp_path: Path
) -> Iterator[tuple[HostSide, Path]]:
    """A clone whose GitOps repository is reached over ssh, and the key that opens it."""
    key = tmp_path / "deploy"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    public = {"title": run_id, "key": key.with_suffix(".pub").read_text()}
    registered = repository.call("POST", "/user/keys", public)
    gitops = {
        "repository": f"{gitea.SSH}/{gitea.USER}/{run_id}.git",
        "knownHosts": [gitea.known_host(layout)],
    }
    here = host_side(layout, tmp_path, run_id, {}, gitops=gitops)
    here.push_image()
    yield here, key
    repository.call("DELETE", f"/user/keys/{registered['id']}")


@pytest.fixture
def agent(over_ssh: tuple[HostSide, Path], tmp_path: Path) -> Iterator[str]:
    """Socket of an agent that holds the key."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    while not socket.exists():
        assert process.poll() is None
    known = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
    subprocess.run(["ssh-add", "-q", str(over_ssh[1])], env=known, check=True)
    yield str(socket)
    process.terminate()
    process.wait()


def test_a_commit_over_ssh_is_signed_and_an_agent_finds_it_there(
    over_ssh: tuple[HostSide, Path], repository: Repository, agent: str
) -> None:
    here, key = over_ssh
    before = repository.head()
    nobody = here.run("gitops", **here.accounts())
    assert nobody.returncode == 1
    assert "git fetch" in nobody.stderr

    text = key.read_text()
    done = here.run("gitops", **here.accounts(), GIT_SSH_KEY=text, GIT_SIGNING_KEY_FILE=str(key))
    assert done.returncode == 0, done.stderr
    assert f"api: Succeeded: tag {here.commit[:8]} on main" in done.stdout
    head = repository.head()
    commit: dict[str, Any] = repository.call(
        "GET", f"/repos/{gitea.USER}/{repository.name}/git/commits/{head}"
    )
    assert commit["parents"][0]["sha"] == before
    assert "BEGIN SSH SIGNATURE" in commit["commit"]["verification"]["signature"]
    assert "PRIVATE KEY" not in done.stdout + done.stderr

    again = here.run("gitops", **here.accounts(), SSH_AUTH_SOCK=agent)
    assert again.returncode == 0, again.stderr
    assert "api: Skipped: " in again.stdout
    assert repository.head() == head
