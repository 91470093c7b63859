"""From a checked `slipway.yaml` to the settings of one service in one environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from slipway_host import environments
from slipway_host.errors import SettingsError
from slipway_host.names import RESERVED_NAMESPACES, RESERVED_ROLES, SQL_NAME
from slipway_host.services import JWT_KEY
from slipway_host.settings import (
    DatabaseSettings,
    GitSettings,
    LoadSettings,
    MigrationSettings,
    PostgresSettings,
    PullRequestSettings,
    RegistrySettings,
    SecretsSettings,
    SmokeSettings,
    Target,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    from slipway_host.config import Config, Database
    from slipway_host.load_config import Load, LoadPolicy


def registry_of(config: Config, environment: str) -> str:
    """Return registry and namespace of an environment's images."""
    return config.environment(environment).registry or config.registry


def values_path(config: Config, name: str, environment: str) -> str:
    """Return the path of a service's values file in the GitOps repository."""
    parts = {
        "{app}": config.application(name, environment),
        "{service}": name,
        "{environment}": environment,
    }
    path = config.gitops.values
    for part, value in parts.items():
        path = path.replace(part, value)
    return path


def target_of(
    config: Config,
    name: str,
    *,
    environment: str,
    commit: str,
    jwt_secret: SecretStr | None = None,
    app_secrets: Mapping[str, SecretStr] | None = None,
) -> Target:
    """Return everything that the stages need to know of one service, with each default filled in.

    Args:
        config: the whole configuration.
        name: the service's key.
        environment: the environment's name.
        commit: full hash of the source commit.
        jwt_secret: the caller's JWT_SECRET, for a service that has one.
        app_secrets: what else the caller brings, by key; a service takes those that it asks for.

    Raises:
        SettingsError: a default name cannot be used; the message says which key to write.
    """
    service, place = config.services[name], config.environment(environment, name)
    app = config.application(name, environment)
    # In its own namespace, what a preview has is called as in the environment that it copies.
    named = config.application(name, place.preview.from_) if place.preview else app
    namespace = namespace_of(config, name, environment)
    if place.preview and not (environment in app and environment in namespace):
        # What is its own by name, `remove-preview` takes away.
        raise SettingsError(
            f"preview {environment} of {name} would be application {app} in namespace {namespace}, which are "
            f"not its own: write {{environment}} into `app` and `namespace` of "
            f"environments.{environments.key_of(config.environments, environment)}"
        )
    if namespace in RESERVED_NAMESPACES:
        raise SettingsError(
            f"service {name} would go to namespace {namespace}, which is reserved: write `namespace`"
        )
    wanted = service.secrets
    brought = {**({JWT_KEY: jwt_secret} if jwt_secret else {}), **(app_secrets or {})}
    given = {k: v for k, v in brought.items() if k in wanted.given or (k == JWT_KEY and k in wanted.generate)}
    return Target(
        service=name,
        app=app,
        environment=environment,
        commit=commit,
        repository=f"{registry_of(config, environment)}/{name}",
        namespace=namespace,
        values=values_path(config, name, environment),
        argocd_namespace=config.argocd.namespace,
        argocd_server=config.argocd.server or "",
        workload_kind=service.workload.kind,
        workload_name=service.workload.name or named,
        rollout_s=service.workload.deadline_s,
        health_path=service.health.path,
        health_port=service.health.port,
        health_stable_s=service.health.stable_s,
        database=_database(service.database, app, own=environment if place.preview else "")
        if service.database
        else None,
        secrets=SecretsSettings(
            name=wanted.name or f"{named}-secrets",
            generate=dict(wanted.generate),
            compose=dict(wanted.compose),
            asked=wanted.given,
            given=given,
        ),
        migration=MigrationSettings(**dict(service.migration)) if service.migration else None,
        smoke=SmokeSettings(**dict(service.smoke)) if service.smoke else None,
        load=_load(service.load, place.load),
        write_digest=config.gitops.digest,
        prices=config.cost.prices,
        preview_of=place.preview.from_ if place.preview else "",
    )


def namespace_of(config: Config, name: str, environment: str) -> str:
    """Return the namespace of a service in an environment."""
    service, place = config.services[name], config.environment(environment, name)
    app = config.application(name, environment)
    found = place.namespace or (None if place.preview else service.namespace or config.namespace) or app
    return found.replace("{app}", app).replace("{environment}", environment)


def _load(load: Load | None, policy: LoadPolicy) -> LoadSettings | None:
    if load is None or policy.gate == "skip":
        return None
    return LoadSettings(**dict(load), enforced=policy.gate == "fail")


def _database(database: Database, app: str, *, own: str) -> DatabaseSettings:
    # Injective (fault 7): a DNS label has no underscore, so no two applications meet in one name.
    default = app.replace("-", "_")
    suffix = f"_{own.replace('-', '_')}" if own else ""
    name = f"{database.name}{suffix}" if database.name else default
    usable = SQL_NAME.fullmatch(name) and name not in RESERVED_ROLES and not name.startswith("pg_")
    if not usable:
        raise SettingsError(
            f"application {app} gives no usable database name ({name!r}): write `database.name`"
        )
    role = f"{database.role}{suffix}" if database.role else name
    if role in database.read_only:
        raise SettingsError(f"application {app}: role {role} owns the database and cannot be in `readOnly`")
    return DatabaseSettings(
        name=name, role=role, extensions=database.extensions, read_only=database.read_only
    )


def registry_settings(
    config: Config, *, environment: str, username: str, password: SecretStr
) -> RegistrySettings:
    """Return the account at the environment's registry."""
    host = registry_of(config, environment).partition("/")[0]
    return RegistrySettings(host=host, username=username, password=password)


def proposes(config: Config, environment: str) -> bool:
    """Return whether an environment's commits are proposed by pull request."""
    return (config.environment(environment).mode or config.gitops.mode) == "pull-request"


def git_settings(
    config: Config,
    *,
    environment: str,
    username: str,
    token: SecretStr | None,
    ssh_key: SecretStr | None = None,
    signing_key: SecretStr | None = None,
) -> GitSettings:
    """Return the GitOps repository, the environment's branch and the account.

    Raises:
        SettingsError: pull requests are wanted, and where to open them is not said.
    """
    gitops, place = config.gitops, config.environment(environment)
    return GitSettings(
        url=gitops.repository,
        branch=place.branch or gitops.branch,
        username=username,
        token=token,
        ssh_key=ssh_key,
        known_hosts=gitops.known_hosts,
        signing_key=signing_key,
        author_name=gitops.author.name,
        author_email=gitops.author.email,
        message=gitops.message,
        pull_request=_pull_request(config, environment) if proposes(config, environment) else None,
        receipts=gitops.receipts.branch if gitops.receipts.store else "",
    )


def server_api(config: Config, environment: str) -> PullRequestSettings | None:
    """Return where the GitOps server's API is, None where that is not known."""
    try:
        return _pull_request(config, environment)
    except SettingsError:
        return None


# https, ssh and scp forms of an address; a port belongs to the transport over ssh, and to the API over https.
_REPOSITORY = re.compile(
    r"(?:(https)://|ssh://(?:[^@/]*@)?|[^@/:]+@)([^/:]+)(:[0-9]+(?=/))?[:/]+(?:(.+)/)?([^/]+)/([^/]+?)(?:\.git)?/?"
)


def github_repository(url: str) -> tuple[str, str, str]:
    """Return root of the API, owner and name of a repository that is on GitHub, or on a server of one's own.

    Raises:
        SettingsError: the address has no owner and name.
    """
    parts = _REPOSITORY.fullmatch(url)
    if not parts or parts[4]:
        raise SettingsError("the services' repository has no remote `origin` on GitHub")
    https, host, port, _below, owner, name = parts.groups()
    if host == "github.com":
        return "https://api.github.com", owner, name
    return f"https://{host}{port or '' if https else ''}/api/v3", owner, name


def _pull_request(config: Config, environment: str) -> PullRequestSettings:
    gitops = config.gitops
    parts = _REPOSITORY.fullmatch(gitops.repository)
    if not parts:
        raise SettingsError("gitops.repository has no owner and name, which a pull request needs")
    https, host, port, below, owner, name = parts.groups()
    api: Literal["github", "gitea"] | None = gitops.api or ("github" if host == "github.com" else None)
    if api is None:
        raise SettingsError(
            f"gitops.mode is pull-request, and {host} may speak any API: write gitops.api: github or gitea"
        )
    # Over https, a server below a path of its host has its API there, too.
    root = f"https://{host}{port or ''}{f'/{below}' if below else ''}" if https else f"https://{host}"
    default = f"{root}/api/v1" if api == "gitea" else f"{root}/api/v3"
    if host == "github.com":
        default = "https://api.github.com"
    return PullRequestSettings(
        api=api,
        url=gitops.api_url or default,
        owner=owner,
        repository=name,
        environment=environment,
        wait=(config.environment(environment).wait or gitops.wait) == "merged",
        wait_s=gitops.wait_s,
    )


def postgres_settings(
    config: Config, *, admin_password: SecretStr | None, dsn: SecretStr | None = None
) -> PostgresSettings:
    """Return the PostgreSQL server that holds the services' databases.

    Raises:
        SettingsError: the connection string cannot be used.
    """
    server = config.postgres
    host, port, sslmode = f"{server.service}.{server.namespace}.svc.cluster.local", server.port, ""
    if dsn is not None:
        from slipway_host import postgres_dsn

        # What the administrator connects to is what services connect to.
        found = postgres_dsn.parse(dsn, ca=server.ca)
        (host, port), sslmode = found.hosts[0], found.sslmode if found.named else ""
    return PostgresSettings(
        namespace=server.namespace,
        selector=server.selector,
        container=server.container,
        host=host,
        port=port,
        sslmode=sslmode,
        admin_user=server.admin_user,
        secret=server.secret,
        admin_password=admin_password,
        dsn=dsn,
        ca=server.ca,
    )
