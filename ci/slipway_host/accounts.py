"""The accounts of a `slipway-host` command, as the settings of what it talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from slipway_host import targets
from slipway_host.argocd_server import SECRET
from slipway_host.errors import SettingsError
from slipway_host.recipients import Recipients

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr

    from slipway_host.config import Config
    from slipway_host.environ import Environ
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings

P = ParamSpec("P")
T = TypeVar("T")


def later(make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], Awaitable[T]]:
    """Return what makes an account when it is first needed, and says only then that it is not given."""

    async def asked() -> T:
        return make(*args, **kwargs)

    return asked


def registry_account(environ: Environ, config: Config, environment: str) -> RegistrySettings:
    """Return the account at the environment's registry.

    Raises:
        SettingsError: name or password is not given.
    """
    password = environ.required("REGISTRY_PASSWORD")
    username = environ.text("REGISTRY_USERNAME")
    if not username:
        raise SettingsError("REGISTRY_USERNAME is not given", next_command="export REGISTRY_USERNAME")
    return targets.registry_settings(config, environment=environment, username=username, password=password)


def git_account(environ: Environ, config: Config, environment: str) -> GitSettings:
    """Return the GitOps repository, and the account that writes to it; over ssh, the agent may be that.

    Raises:
        SettingsError: the token is not given, which https and pull requests need.
    """
    needed = targets.proposes(config, environment) or config.gitops.repository.startswith("https://")
    return targets.git_settings(
        config,
        environment=environment,
        username=environ.text("GIT_USERNAME", "slipway"),
        token=environ.required("GH_PAT") if needed else None,
        ssh_key=environ.secret("GIT_SSH_KEY"),
        signing_key=environ.secret("GIT_SIGNING_KEY"),
    )


def postgres_account(environ: Environ, config: Config) -> PostgresSettings:
    """Return the PostgreSQL server; without an account for it, the cluster's own Secret is read.

    Raises:
        SettingsError: the connection string cannot be used.
    """
    password, dsn = environ.secret("POSTGRES_PASSWORD"), environ.secret("POSTGRES_DSN")
    return targets.postgres_settings(config, admin_password=password, dsn=dsn)


def argocd_token(environ: Environ) -> SecretStr:
    """Return the token of the account at Argo CD's own API.

    Raises:
        SettingsError: it is not given.
    """
    return environ.required(SECRET)


def recipients_account(environ: Environ) -> Recipients:
    """Return who is told of a run; in GitHub Actions, the log's address is known by its own variables.

    Raises:
        SettingsError: one of them cannot be used.
    """
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environ.text(name) for name in names)
    actions = f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
    return Recipients(
        webhook=environ.secret("NOTIFY_WEBHOOK"),
        key=environ.secret("NOTIFY_KEY"),
        token=environ.secret("DEPLOYMENTS_TOKEN") or environ.secret("GH_PAT"),
        run_url=environ.text("RUN_URL", actions),
    )
