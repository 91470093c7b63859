"""What each part of the host-side step needs to know: frozen, one dataclass per service it talks to.

Nothing here reads the environment or a file: whoever starts a run builds these and passes them on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from slipway_host import commit_message

if TYPE_CHECKING:
    from pydantic import SecretStr

    from slipway_host.config import Generated
    from slipway_host.load_config import Budget
    from slipway_host.pricing import Prices

SHORT_HASH = 8
"""Characters of the commit hash that make the tag (R6)."""


@dataclass(frozen=True, kw_only=True)
class RegistrySettings:
    """An account at a container registry; `host` is `name[:port]`."""

    host: str
    username: str
    password: SecretStr


@dataclass(frozen=True, kw_only=True)
class PullRequestSettings:
    """How commits are proposed instead of pushed to the branch.

    Args:
        api: whose HTTP API the server speaks.
        url: the API's root, `https://api.github.com`; the git account's token is sent there.
        owner: owner of the repository at the server.
        repository: its name there.
        environment: goes into the proposed branch's name.
        wait: whether a run waits for the merge.
        wait_s: for how long, in seconds.
    """

    api: Literal["github", "gitea"]
    url: str
    owner: str
    repository: str
    environment: str
    wait: bool = False
    wait_s: float = 1800


@dataclass(frozen=True, kw_only=True)
class GitSettings:
    """A remote repository and the account that writes to it.

    Args:
        url: https or ssh address without credentials.
        branch: the branch that is written.
        username: sent with the token over https.
        token: password or access token; None for ssh.
        ssh_key: private key for ssh; None leaves that to the machine's SSH agent.
        known_hosts: lines as in OpenSSH's file; without one, the machine's own files count.
        signing_key: private SSH key that signs the commits; None signs nothing.
        author_name: author and committer.
        author_email: their address.
        message: template of the commit's subject; `{app}` and `{tag}` are filled in.
        pull_request: propose the commit there; None pushes it to the branch.
        receipts: branch that keeps the receipts of runs; empty keeps none.
    """

    url: str
    branch: str
    username: str = "slipway"
    token: SecretStr | None = None
    ssh_key: SecretStr | None = None
    known_hosts: tuple[str, ...] = ()
    signing_key: SecretStr | None = None
    author_name: str = "slipway"
    author_email: str = "slipway@users.noreply.invalid"
    message: str = commit_message.TEMPLATE
    pull_request: PullRequestSettings | None = None
    receipts: str = ""


@dataclass(frozen=True, kw_only=True)
class PostgresSettings:
    """The PostgreSQL server that holds the services' databases.

    Args:
        host: address that services connect to.
        port: the same.
        sslmode: how services are told to speak TLS, in libpq's words; empty leaves it to their drivers.
        admin_password: None means: read the cluster's Secret.
        dsn: administrator's connection string, for a server that is not reached by exec.
        ca: certificates in PEM form that the server's is verified with; None for the system's own.
    """

    namespace: str
    selector: str
    container: str
    host: str
    port: int
    admin_user: str
    secret: str
    sslmode: str = ""
    admin_password: SecretStr | None = None
    dsn: SecretStr | None = None
    ca: str | None = None


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """One service's database and the role that owns it.

    Args:
        extensions: PostgreSQL's extensions, in the order in which they are created.
        read_only: roles that may read the tables in schema `public`.
    """

    name: str
    role: str
    extensions: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MigrationSettings:
    """A Job that runs before the rollout.

    Args:
        command: program and arguments.
        image: None for the service's own image.
        timeout_s: seconds that it may take.
        run_as_user: user id; None for the image's own user.
    """

    command: tuple[str, ...]
    image: str | None = None
    timeout_s: int = 600
    run_as_user: int | None = None


@dataclass(frozen=True, kw_only=True)
class SmokeSettings:
    """A Job that tests the new pods.

    Args:
        command: program and arguments.
        image: None for the service's own image.
        env: variables beside those that name the pods.
        secret_keys: keys of the service's Secret that it gets as variables.
        timeout_s: seconds that it may take.
        memory: its limit, as Kubernetes writes it.
        run_as_user: user id; None for the image's own user.
    """

    command: tuple[str, ...]
    image: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    secret_keys: tuple[str, ...] = ()
    timeout_s: int = 60
    memory: str = "256Mi"
    run_as_user: int | None = None


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """A Job that sends HTTP requests to the new pods at a constant rate.

    Args:
        path: of the requests, with their query.
        rate_per_s: requests each second, over all pods together.
        duration_s: seconds that requests are sent for.
        budget: what the figures may be at most.
        image: has the program that sends them, and a shell.
        memory: its limit, as Kubernetes writes it.
        cpu: its limit likewise.
        run_as_user: user id.
        enforced: figures over budget, or none at all, are an error.
    """

    path: str
    rate_per_s: int
    duration_s: int
    budget: Budget
    image: str
    memory: str
    cpu: str
    run_as_user: int
    enforced: bool

    @property
    def requests(self) -> int:
        """How many requests that makes."""
        return self.rate_per_s * self.duration_s

    @property
    def asked(self) -> str:
        """What is done and has to hold, in a line."""
        allowed = self.budget.model_dump(by_alias=True, exclude_none=True)
        held = " and ".join(f"{key} {value:g}" for key, value in allowed.items())
        sent = f"GET {self.path} {self.rate_per_s} times a second for {self.duration_s} s"
        return f"{sent} {'has to keep' if self.enforced else 'is compared with'} {held}"


@dataclass(frozen=True, kw_only=True)
class SecretsSettings:
    """One service's Kubernetes Secret.

    Args:
        name: the Secret's name.
        generate: keys with random values, by recipe.
        compose: keys made of the database's parts, by template.
        asked: keys whose values only the caller has.
        given: what the caller has brought, by key (a JWT_SECRET from the CI's store).
        pull_secret: the dockerconfigjson Secret's name (R33).
    """

    name: str
    generate: dict[str, Generated] = field(default_factory=dict)
    compose: dict[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    given: dict[str, SecretStr] = field(default_factory=dict)
    pull_secret: str = "registry-credentials"  # noqa: S105 - a Kubernetes name


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long each wait may take, in seconds."""

    git_s: float = 300  # of 50 clients at once, the last was through after 132 s (tests/chaos)
    database_s: float = 60
    sync_s: float = 180
    health_s: float = 60


@dataclass(frozen=True, kw_only=True)
class Target:
    """One service in one environment at one commit, with every default filled in.

    Args:
        service: key in `slipway.yaml`.
        app: folder in the GitOps repository, and the Argo CD Application's name.
        commit: 40 hexadecimal characters.
        repository: image repository without tag, `host[:port]/namespace/service`.
        values: path of the values file in the GitOps repository.
        workload_kind: `Deployment`, `StatefulSet`, `DaemonSet` or `Rollout`.
        argocd_server: address of Argo CD's own API, where that is used; else empty.
        health_stable_s: seconds that the endpoint has to stay healthy.
        rollout_s: seconds that a rollout may take.
        image_tag: tag of the image where it is not the commit's own, as after a rollback.
        write_digest: write the image's digest to a values file that has none, too.
        prices: what is paid; None for the examples.
        preview_of: the environment that this one is a preview of; empty where it is none.
    """

    service: str
    app: str
    environment: str
    commit: str
    repository: str
    namespace: str
    values: str
    argocd_namespace: str
    workload_kind: str
    workload_name: str
    health_path: str
    health_port: int
    health_stable_s: float
    database: DatabaseSettings | None
    secrets: SecretsSettings
    migration: MigrationSettings | None = None
    smoke: SmokeSettings | None = None
    rollout_s: float = 300
    load: LoadSettings | None = None
    image_tag: str = ""
    write_digest: bool = False
    argocd_server: str = ""
    prices: Prices | None = None
    preview_of: str = ""

    @property
    def tag(self) -> str:
        """The image tag: the first 8 characters of the commit hash (R6), unless another was named."""
        return self.image_tag or self.commit[:SHORT_HASH]
