"""R9 end to end: extensions, readers, a migration before the GitOps commit, a lost password, a DSN."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_lab import credentials
from slipway_lab.kubernetes import kubectl
from support.administrator import administer
from support.app import App

MIGRATION = """    database:
      extensions: [pg_trgm]
      readOnly: [{name}_readers]
    migration:
      image: docker.io/library/postgres:17
      runAsUser: 65534
      command:
        - psql
        - $(DATABASE_URL)
        - --set=ON_ERROR_STOP=1
        - --command=CREATE TABLE migrated AS SELECT current_user AS by
"""


@pytest.fixture(scope="module", autouse=True)
def service(app: App) -> Iterator[None]:
    app.edit("slipway.yaml", "    database: {}\n", MIGRATION.format(name=app.name))
    yield
    drop = f"DROP OWNED BY {app.name}_readers; DROP ROLE {app.name}_readers;"
    administer(app.layout, drop, database=app.name)


def test_a_deploy_migrates_before_its_commit_and_only_once(app: App) -> None:
    receipt = app.deploy()["services"][0]
    stages = {stage["stage"]: stage for stage in receipt["stages"]}
    assert [s for s in stages if s in {"database", "migrate", "gitops"}] == ["database", "migrate", "gitops"]
    assert stages["migrate"]["status"] == "Succeeded"
    assert f"\nSlipway-Migration: {stages['migrate']['outputs']['job']}\n" in app.gitops_message()
    assert stages["database"]["outputs"]["extensions"] == ["pg_trgm"]
    readable = f"SELECT has_table_privilege('{app.name}_readers', 'migrated', 'SELECT'), by FROM migrated"
    assert administer(app.layout, readable, database=app.name) == f"t|{app.name}"

    again = app.deploy()["services"][0]
    assert again["status"] == "Unchanged"
    assert {s["stage"]: s["status"] for s in again["stages"]}["migrate"] == "Skipped"


def test_a_failed_migration_stops_before_the_commit_with_its_last_words(app: App) -> None:
    before = app.gitops_head()
    app.edit("slipway.yaml", "SELECT current_user AS by", "SELECT 1 AS again")
    done = app.call("deploy")
    assert done.code == 1
    assert "migrate: migration Job" in done.error
    assert 'exit code 1; its last words: ERROR: relation "migrated" already exists' in done.error
    assert "kubectl --namespace" in done.error
    assert app.gitops_head() == before
    assert app.call("migrate").error.count("already exists") == 1


def test_another_password_is_set_only_by_naming_the_role(app: App) -> None:
    administer(app.layout, f"ALTER ROLE {app.name} PASSWORD 'canary-by-hand'")
    refused = app.call("database")
    assert refused.code == 1
    assert f"Next: dagger call database --reset-password={app.name}" in refused.error
    other = app.call("database", "--reset-password=postgres")
    assert other.code == 1
    assert f"belongs to role 'postgres': there is {app.name}" in other.error

    reset = app.call("database", f"--reset-password={app.name}")
    assert reset.code == 0, reset.error
    assert f"password of role {app.name} set to its Secret's" in reset.out
    assert "Skipped" in app.call("database").out


def test_a_lost_password_is_made_anew_only_by_naming_the_role(app: App) -> None:  # fault 39
    remove = json.dumps([{"op": "remove", "path": "/data/DATABASE_URL"}])
    app.kubectl("patch", "secret", f"{app.name}-secrets", "--type=json", f"--patch={remove}")
    refused = app.call("database")
    assert refused.code == 1
    assert "its password is lost" in refused.error
    next_command = f"database --service={app.name} --reset-password={app.name}"
    assert f"Next: dagger call {next_command}" in refused.error

    reset = app.call(*next_command.split())
    assert reset.code == 0, reset.error
    assert f"in place; password of role {app.name} set to its Secret's" in reset.out
    assert "Skipped" in app.call("database").out


def test_a_connection_string_leads_to_the_same_database(app: App, tmp_path: Path) -> None:
    service = json.loads(kubectl(app.layout, "-n", "infra", "get", "pod", "postgresql-0", "-o", "json"))
    word, address = credentials.read(app.layout, "postgres"), service["status"]["podIP"]
    dsn = tmp_path / "dsn"
    dsn.write_text(f"postgresql://postgres:{word}@{address}?sslmode=disable")
    done = app.call("database", before=[f"--postgres-dsn=file://{dsn}"])
    assert done.code == 0, done.error
    assert "Skipped" in done.out

    dsn.write_text(f"postgresql://postgres:{word}@{address}")
    plain = app.call("database", before=[f"--postgres-dsn=file://{dsn}"])
    assert plain.code == 1
    assert "speaks no TLS" in plain.error
    assert word not in plain.stderr + plain.out
