"""From the configuration to the settings of what a service's data needs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from slipway_host import load_config
from slipway_host.config import Config
from slipway_host.connection import composed, database_url, url_parts
from slipway_host.errors import SettingsError
from slipway_host.settings import DatabaseSettings, MigrationSettings, SmokeSettings, Target
from slipway_host.targets import github_repository, postgres_settings, target_of

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII…\n-----END CERTIFICATE-----\n"


def config(service: dict[str, Any] | None = None, **top: Any) -> Config:
    document = {
        "registry": "ghcr.io/acme",
        "gitops": {"repository": "https://github.com/acme/gitops"},
        "services": {"game-api": service or {}},
        **top,
    }
    return Config.model_validate(document)


def target(**service: Any) -> Target:
    return target_of(config(service), "game-api", environment="dev", commit="0" * 40)


def test_a_database_has_the_application_s_name_and_nothing_more() -> None:
    assert target(database={}).database == DatabaseSettings(name="game_api", role="game_api")
    assert target().database is None


def test_extensions_and_readers_keep_their_order() -> None:
    found = target(database={"extensions": ["uuid-ossp", "cube"], "readOnly": ["report", "bi"]}).database
    assert found
    assert (found.extensions, found.read_only) == (("uuid-ossp", "cube"), ("report", "bi"))


@pytest.mark.parametrize("database", [{"readOnly": ["game_api"]}, {"role": "me", "readOnly": ["me"]}])
def test_the_owner_cannot_be_a_reader(database: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="owns the database and cannot be in `readOnly`"):
        target(database=database)


@pytest.mark.parametrize(
    "database",
    [
        {"readOnly": ["pg_read_all_data"]},
        {"readOnly": ["public"]},
        {"readOnly": ["a", "a"]},
        {"extensions": ["cube", "cube"]},
        {"extensions": ["cube; DROP ROLE x"]},
    ],
)
def test_lists_of_names_are_checked_name_by_name(database: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        target(database=database)


def test_a_migration_has_a_command_and_defaults() -> None:
    assert target().migration is None
    assert target(migration={"command": ["/app/migrate", "up"]}).migration == MigrationSettings(
        command=("/app/migrate", "up"), image=None, timeout_s=600, run_as_user=None
    )
    wrongs: list[dict[str, Any]] = [{}, {"command": []}, {"command": ["x"], "runAsUser": 0}]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            target(migration=wrong)


def test_services_connect_to_the_cluster_s_service_or_to_where_the_connection_string_leads() -> None:
    inside = postgres_settings(config(), admin_password=None)
    assert (inside.host, inside.port, inside.dsn) == ("postgresql.infra.svc.cluster.local", 5432, None)
    dsn = SecretStr("postgresql://admin:canary@db.example.com:6432,standby.example.com/defaultdb")
    outside = postgres_settings(config(postgres={"ca": CERTIFICATE}), admin_password=None, dsn=dsn)
    assert (outside.host, outside.port) == ("db.example.com", 6432)
    assert (outside.dsn, outside.ca) == (dsn, CERTIFICATE)
    assert (inside.sslmode, outside.sslmode) == ("", "")


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "disable"])
def test_services_speak_tls_as_the_connection_string_says_and_only_where_it_does(mode: str) -> None:
    dsn = SecretStr(f"postgresql://admin:canary@db.example.com/x?sslmode={mode}")
    outside = postgres_settings(config(), admin_password=None, dsn=dsn)
    assert outside.sslmode == mode
    url = database_url(DatabaseSettings(name="api", role="api"), outside, "p/w")
    assert url == f"postgresql://api:p%2Fw@db.example.com:5432/api?sslmode={mode}"
    parts = url_parts(url)
    assert parts
    assert (*parts[:2], parts[2].get_secret_value()) == ("api", "api", "p/w")
    owner, password = DatabaseSettings(name="api", role="api"), SecretStr("p/w")
    assert composed("{url}", owner, outside, password) == url
    own = composed("{url}?sslmode=require", owner, outside, password)
    assert own == "postgresql://api:p%2Fw@db.example.com:5432/api?sslmode=require"


def test_a_connection_string_that_cannot_be_used_is_refused_before_anything_is_done() -> None:
    with pytest.raises(SettingsError) as caught:
        postgres_settings(config(), admin_password=None, dsn=SecretStr("canary"))
    assert "canary" not in str(caught.value)


ENVIRONMENTS = {
    "dev": {"app": "{app}-{environment}"},
    "prod": {"extends": "dev", "services": {"game-api": {"app": "live"}}},
    "eu": {"extends": "dev", "namespace": "shop"},
}


@pytest.mark.parametrize(
    ("environment", "app", "namespace", "database"),
    [
        ("dev", "game-api-dev", "game-api-dev", "game_api_dev"),
        ("prod", "live", "live", "live"),
        ("eu", "game-api-eu", "shop", "game_api_eu"),
    ],
)
def test_an_environment_s_application_names_all_that_is_its_own(
    environment: str, app: str, namespace: str, database: str
) -> None:
    found = target_of(
        config({"database": {}}, environments=ENVIRONMENTS),
        "game-api",
        environment=environment,
        commit="0" * 40,
    )
    assert found.database
    assert (found.app, found.workload_name, found.namespace) == (app, app, namespace)
    assert (found.secrets.name, found.database.name) == (f"{app}-secrets", database)
    assert found.values == f"apps/{app}/values.yaml"
    assert found.repository == "ghcr.io/acme/game-api"  # promoted as it is: the same image everywhere


def test_the_values_file_may_stand_in_a_folder_of_its_environment() -> None:
    gitops = {
        "repository": "https://github.com/acme/gitops",
        "values": "{environment}/{service}/{app}/values.yaml",
    }
    made = config(gitops=gitops, environments=ENVIRONMENTS)
    found = target_of(made, "game-api", environment="eu", commit="0" * 40)
    assert found.values == "eu/game-api/game-api-eu/values.yaml"


PREVIEWS: dict[str, dict[str, Any]] = {
    "dev": {"namespace": "shop"},
    "pr-*": {"extends": "dev", "preview": {"from": "dev"}, "app": "{app}-{environment}"},
}


def preview(environment: str, service: dict[str, Any], **pattern: Any) -> Target:
    written = {**PREVIEWS, "pr-*": {**PREVIEWS["pr-*"], **pattern}}
    made = config(service, environments=written)
    return target_of(made, "game-api", environment=environment, commit="0" * 40)


def test_a_preview_has_its_own_application_namespace_and_database() -> None:
    found = preview("pr-7", {"database": {}}, namespace="shop-{environment}")
    assert (found.app, found.namespace, found.environment) == ("game-api-pr-7", "shop-pr-7", "pr-7")
    assert found.values == "apps/game-api-pr-7/values.yaml"
    assert found.database == DatabaseSettings(name="game_api_pr_7", role="game_api_pr_7")


def test_in_its_namespace_a_preview_s_things_are_called_as_in_what_it_copies() -> None:
    found = preview("pr-7", {}, namespace="shop-{environment}")
    assert (found.workload_name, found.secrets.name) == ("game-api", "game-api-secrets")


def test_a_database_that_is_named_is_a_preview_s_own_as_well() -> None:
    named = {"database": {"name": "game", "role": "player"}}
    found = preview("pr-7", named, namespace="shop-{environment}").database
    assert found == DatabaseSettings(name="game_pr_7", role="player_pr_7")


@pytest.mark.parametrize(
    "pattern",
    [{}, {"namespace": "shop-previews"}, {"namespace": "shop-{environment}", "app": "{app}-preview"}],
)
def test_a_preview_that_would_share_something_is_refused(pattern: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"not its own: write .environment. into `app` and `namespace`"):
        preview("pr-7", {}, **pattern)


def test_a_preview_s_namespace_follows_its_application_where_nothing_is_said() -> None:
    written = {"pr-*": {"preview": {"from": "dev"}, "app": "{app}-{environment}"}}
    made = config({"namespace": "elsewhere"}, environments=written)
    found = target_of(made, "game-api", environment="pr-7", commit="0" * 40)
    assert found.namespace == "game-api-pr-7"


def test_the_digest_is_written_beside_the_tag_on_request() -> None:
    wanted = config(gitops={"repository": "https://github.com/acme/gitops", "digest": True})
    assert target_of(wanted, "game-api", environment="dev", commit="0" * 40).write_digest
    assert not target().write_digest


def test_a_smoke_test_keeps_what_is_written_and_takes_the_defaults() -> None:
    written = {
        "command": ["/app/smoke", "$(SMOKE_URL)"],
        "image": "smoke:1",
        "env": {"LEVEL": "2"},
        "secretKeys": ["TOKEN"],
        "timeoutS": 90,
        "memory": "1Gi",
        "runAsUser": 7,
    }
    assert target(smoke=written).smoke == SmokeSettings(
        command=("/app/smoke", "$(SMOKE_URL)"),
        image="smoke:1",
        env={"LEVEL": "2"},
        secret_keys=("TOKEN",),
        timeout_s=90,
        memory="1Gi",
        run_as_user=7,
    )
    assert target(smoke={"command": ["x"]}).smoke == SmokeSettings(command=("x",))
    assert target().smoke is None


LOAD = {"path": "/scores", "ratePerS": 50}


def test_a_load_check_keeps_what_is_written_and_takes_the_defaults() -> None:
    found = target(load={**LOAD, "durationS": 60, "budget": {"p95Ms": 200}, "cpu": "500m"}).load
    assert found
    assert (found.path, found.rate_per_s, found.duration_s, found.cpu) == ("/scores", 50, 60, "500m")
    assert (found.budget.p95_ms, found.budget.p99_ms, found.budget.error_rate) == (200, None, 0.01)
    assert (found.image, found.memory, found.run_as_user) == (load_config.IMAGE, "256Mi", 65534)
    assert target().load is None


@pytest.mark.parametrize(
    ("environment", "environments", "enforced"),
    [
        ("dev", {}, False),
        ("prod", {}, True),
        ("prod", {"prod": {"load": {"gate": "report"}}}, False),
        ("stage", {"stage": {"extends": "prod"}}, True),
        ("dev", {"dev": {"load": {"gate": "fail"}}}, True),
    ],
)
def test_the_environment_says_whether_a_budget_is_enforced(
    environment: str,
    environments: dict[str, Any],
    enforced: bool,  # noqa: FBT001
) -> None:
    wanted = config(services={"game-api": {"load": LOAD}}, environments=environments)
    found = target_of(wanted, "game-api", environment=environment, commit="0" * 40).load
    assert found
    assert found.enforced is enforced


def test_an_environment_may_skip_load_checks() -> None:
    wanted = config(services={"game-api": {"load": LOAD}}, environments={"dev": {"load": {"gate": "skip"}}})
    assert target_of(wanted, "game-api", environment="dev", commit="0" * 40).load is None


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://github.com/acme/api.git", ("https://api.github.com", "acme", "api")),
        ("git@github.com:acme/api.git", ("https://api.github.com", "acme", "api")),
        ("ssh://git@github.com:22/acme/api", ("https://api.github.com", "acme", "api")),
        ("https://git.acme.test:8443/acme/api", ("https://git.acme.test:8443/api/v3", "acme", "api")),
    ],
)
def test_the_api_belongs_to_the_repository_s_host(address: str, found: tuple[str, str, str]) -> None:
    assert github_repository(address) == found


@pytest.mark.parametrize("address", ["", "https://github.com/acme", "/srv/git/api.git"])
def test_a_repository_elsewhere_has_no_deployments(address: str) -> None:
    with pytest.raises(SettingsError, match="origin"):
        github_repository(address)
