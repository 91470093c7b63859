"""From `slipway.yaml` to the GitOps repository's settings (R1, R11, R34)."""

from typing import Any

import pytest
from pydantic import ValidationError

from slipway_host import targets
from slipway_host.config import Config
from slipway_host.errors import SettingsError
from slipway_host.settings import GitSettings

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJ"


def config(repository: str = "https://github.com/acme/gitops.git", **more: Any) -> Config:
    environments = more.pop("environments", {})
    document = {
        "registry": "ghcr.io/acme",
        "gitops": {"repository": repository, **more},
        "environments": environments,
        "services": {"api": {}},
    }
    return Config.model_validate(document)


def settings(found: Config, environment: str = "prod") -> GitSettings:
    return targets.git_settings(found, environment=environment, username="u", token=None)


def test_message_author_and_host_keys_come_from_the_file() -> None:
    found = settings(
        config(
            message="deploy {app} {tag}",
            author={"name": "Release Bot", "email": "bot@acme.example"},
            knownHosts=[f"git.acme.example ssh-ed25519 {KEY}"],
        )
    )
    assert found.message == "deploy {app} {tag}"
    assert (found.author_name, found.author_email) == ("Release Bot", "bot@acme.example")
    assert found.known_hosts == (f"git.acme.example ssh-ed25519 {KEY}",)
    assert found.pull_request is None


@pytest.mark.parametrize(
    "more",
    [
        {"message": "deploy {name}"},
        {"message": "a\nb"},
        {"message": "# {app}"},
        {"author": {"name": "a\nb"}},
        {"author": {"name": "a <b>"}},
        {"author": {"email": "nobody"}},
        {"author": {"email": "a@b\n"}},
        {"knownHosts": [f"h ssh-ed25519 {KEY}\nevil ssh-ed25519 {KEY}"]},
        {"knownHosts": ["h"]},
        {"mode": "merge"},
        {"apiUrl": "http://h/api/v1"},
        {"apiUrl": "https://u:p@h/api/v1"},
        {"waitS": 0},
    ],
)
def test_what_cannot_be_is_refused_when_the_file_is_read(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**more)


@pytest.mark.parametrize(
    ("repository", "more", "api", "url", "name"),
    [
        ("https://github.com/acme/gitops.git", {}, "github", "https://api.github.com", "acme/gitops"),
        ("git@github.com:acme/gitops.git", {}, "github", "https://api.github.com", "acme/gitops"),
        (
            "https://ghe.example/a/b",
            {"api": "github"},
            "github",
            "https://ghe.example/api/v3",
            "a/b",
        ),
        ("https://h.example:3000/a/b.git", {"api": "gitea"}, "gitea", "https://h.example:3000/api/v1", "a/b"),
        ("ssh://git@h.example:2222/a/b.git", {"api": "gitea"}, "gitea", "https://h.example/api/v1", "a/b"),
        ("https://h.example/git/a/b.git", {"api": "gitea"}, "gitea", "https://h.example/git/api/v1", "a/b"),
        ("git@h.example:a/b", {"api": "gitea", "apiUrl": "https://api/x"}, "gitea", "https://api/x", "a/b"),
    ],
)
def test_the_api_follows_from_the_repositorys_host(
    repository: str, more: dict[str, Any], api: str, url: str, name: str
) -> None:
    found = settings(config(repository, mode="pull-request", **more)).pull_request
    assert found
    assert (found.api, found.url) == (api, url)
    assert f"{found.owner}/{found.repository}" == name
    assert (found.environment, found.wait, found.wait_s) == ("prod", False, 1800)


def test_a_host_whose_api_nobody_knows_has_to_be_named() -> None:
    with pytest.raises(SettingsError, match=r"write gitops.api: github or gitea"):
        settings(config("https://git.acme.example/a/b.git", mode="pull-request"))


def test_an_environment_has_its_own_mode_and_wait() -> None:
    found = config(environments={"prod": {"mode": "pull-request", "wait": "merged"}})
    assert settings(found, "dev").pull_request is None
    proposed = settings(found).pull_request
    assert proposed
    assert proposed.wait
    assert (targets.proposes(found, "dev"), targets.proposes(found, "prod")) == (False, True)
