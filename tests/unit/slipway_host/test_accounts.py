"""Which account `slipway-host` takes from the environment for what."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from slipway_host.accounts import git_account, postgres_account, registry_account
from slipway_host.config import Config
from slipway_host.environ import Environ
from slipway_host.errors import SettingsError

HTTPS, SSH = "https://git.invalid/acme/gitops.git", "ssh://git@git.invalid/acme/gitops.git"
KEY = "-----BEGIN KEY-----\ncanary\n-----END KEY-----"


def config(repository: str = SSH, **gitops: Any) -> Config:
    return Config.model_validate(
        {
            "registry": "registry.invalid/acme",
            "gitops": {"repository": repository, **gitops},
            "services": {"api": {}},
        }
    )


def text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def test_over_ssh_the_agent_is_enough_and_keys_are_taken_where_they_are_given(tmp_path: Path) -> None:
    agent = git_account(Environ({}), config(), "dev")
    assert (agent.token, agent.ssh_key, agent.signing_key) == (None, None, None)
    file = tmp_path / "signing"
    file.write_text(f"{KEY}\n\n")
    variables = {"GIT_SSH_KEY": f"{KEY}\n", "GIT_SIGNING_KEY_FILE": str(file)}
    given = git_account(Environ(variables), config(), "dev")
    assert (text(given.ssh_key), text(given.signing_key)) == (KEY, KEY)
    assert "GIT_SSH_KEY" not in variables


@pytest.mark.parametrize(
    ("repository", "more"), [(HTTPS, {}), (SSH, {"mode": "pull-request", "api": "gitea"})]
)
def test_https_and_pull_requests_need_a_token(repository: str, more: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="GH_PAT is not given"):
        git_account(Environ({}), config(repository, **more), "dev")
    found = git_account(Environ({"GH_PAT": "canary"}), config(repository, **more), "dev")
    assert text(found.token) == "canary"


def test_a_connection_string_is_the_server_that_services_get() -> None:
    dsn = "postgresql://admin:canary@db.invalid:6432/x"
    found = postgres_account(Environ({"POSTGRES_DSN": dsn}), config())
    assert (found.host, found.port, text(found.dsn)) == ("db.invalid", 6432, dsn)
    with pytest.raises(SettingsError, match="POSTGRES_DSN is not of the form") as caught:
        postgres_account(Environ({"POSTGRES_DSN": "canary"}), config())
    assert "canary" not in str(caught.value)


def test_a_registry_account_has_a_name_and_a_password() -> None:
    for variables, missing in (
        ({}, "REGISTRY_PASSWORD"),
        ({"REGISTRY_PASSWORD": "canary"}, "REGISTRY_USERNAME"),
    ):
        with pytest.raises(SettingsError, match=f"{missing} is not given"):
            registry_account(Environ(dict(variables)), config(), "dev")
    both = {"REGISTRY_PASSWORD": "canary", "REGISTRY_USERNAME": "ci"}
    found = registry_account(Environ(both), config(), "dev")
    assert (found.host, found.username, text(found.password)) == ("registry.invalid", "ci", "canary")


def test_only_named_variables_become_app_secrets_and_an_unset_one_is_left_out(tmp_path: Path) -> None:
    """A `slipway.yaml` cannot ask for a variable of the machine's that nobody has named."""
    file = tmp_path / "mail"
    file.write_text("from-a-file\n")
    variables = {"REDIS_URL": "redis://canary", "MAIL_KEY_FILE": str(file), "AWS_KEY": "canary"}
    environ = Environ(variables, ["REDIS_URL", "MAIL_KEY", "ABSENT", "UNASKED"])
    found = environ.app_secrets({"REDIS_URL", "MAIL_KEY", "ABSENT", "AWS_KEY"})
    assert {key: text(value) for key, value in found.items()} == {
        "REDIS_URL": "redis://canary",
        "MAIL_KEY": "from-a-file",
    }
    assert variables == {"MAIL_KEY_FILE": str(file), "AWS_KEY": "canary"}


def test_an_empty_app_secret_is_refused(tmp_path: Path) -> None:
    """Fault 11: a CI passes a secret that does not exist as an empty one."""
    (tmp_path / "empty").touch()
    for variables in ({"REDIS_URL": ""}, {"REDIS_URL_FILE": str(tmp_path / "empty")}):
        with pytest.raises(SettingsError, match="REDIS_URL is given and empty"):
            Environ(dict(variables), ["REDIS_URL"]).app_secrets({"REDIS_URL"})
