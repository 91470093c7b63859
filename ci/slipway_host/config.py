"""`slipway.yaml`: its models, and the way from its bytes to them.

The file belongs to the service's own repository. Keys are camelCase, as in Kubernetes and Argo CD. Every
name that later becomes a path, a Kubernetes name or an SQL identifier is checked here, before any I/O.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

# RFC 1123 label, as Kubernetes wants it for namespaces, Services and most names (63 characters at most).
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# https://github.com/distribution/reference: domain[:port] and lower-case path components.
IMAGE_PREFIX = re.compile(
    r"[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
)
IMAGE_REFERENCE = re.compile(IMAGE_PREFIX.pattern + r"(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?")
# What PostgreSQL takes unquoted, in lower case: quoting is the second wall, not the first.
SQL_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
RELATIVE_PATH = re.compile(r"(?!-)(?!.*(?:^|/)\.\.(?:/|$))[A-Za-z0-9._@{}][A-Za-z0-9._@{}/+-]*")
BRANCH = re.compile(r"(?!.*(\.\.|//|@\{|\.lock$))[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")

RESERVED_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease", "default"})
RESERVED_ROLES = frozenset({"postgres", "public", "none", "current_user", "session_user", "user"})


def _matches(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        # fullmatch: `$` would let a trailing newline through (fault 2).
        if not pattern.fullmatch(value):
            raise ValueError(f"{value[:80]!r} is not {what}")
        return value

    return AfterValidator(check)


def _not_in(reserved: frozenset[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value in reserved or value.startswith("pg_"):
            raise ValueError(f"{value!r} is reserved: choose another {what}")
        return value

    return AfterValidator(check)


DnsLabel = Annotated[
    str,
    _matches(DNS_LABEL, "a DNS label (a-z, 0-9 and -, at most 63 characters, no - at the ends)"),
]
Namespace = Annotated[DnsLabel, _not_in(RESERVED_NAMESPACES, "namespace")]
ImagePrefix = Annotated[str, _matches(IMAGE_PREFIX, "a registry with a namespace, like ghcr.io/acme")]
ImageReference = Annotated[str, _matches(IMAGE_REFERENCE, "an image reference")]
SqlName = Annotated[
    str,
    _matches(SQL_NAME, "a PostgreSQL name (a-z, 0-9 and _, at most 63 characters, a letter first)"),
    _not_in(RESERVED_ROLES, "name"),
]
EnvName = Annotated[str, _matches(ENV_NAME, "an environment variable's name")]
RelativePath = Annotated[str, _matches(RELATIVE_PATH, "a path inside the repository")]
Branch = Annotated[str, _matches(BRANCH, "a branch name")]
Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]


class Model(BaseModel):
    """Strict, frozen, camelCase; unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, alias_generator=to_camel, validate_default=True
    )


class GitOps(Model):
    """The repository that Argo CD watches."""

    repository: Annotated[
        str,
        Field(pattern=r"^(https://[^\s@]+|ssh://[^\s]+|git@[^\s:]+:[^\s]+)$"),
    ] = Field(description="https or ssh address, without credentials")
    branch: Branch = Field("main", description="branch that is written")
    values: RelativePath = Field(
        "apps/{app}/values.yaml",
        description="path of an application's values file; {app} is its name",
    )

    @model_validator(mode="after")
    def _one_file_per_application(self) -> Self:
        if "{app}" not in self.values:
            raise ValueError("values must contain {app}")
        return self


class Postgres(Model):
    """The PostgreSQL server in the cluster that holds the services' databases."""

    namespace: DnsLabel = Field("infra", description="namespace of the server's pods and Service")
    selector: str = Field(
        "app.kubernetes.io/name=postgresql", description="label selector of the server's pods"
    )
    container: DnsLabel = Field("postgresql", description="container to run psql in")
    service: DnsLabel = Field("postgresql", description="Service that applications connect to")
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    admin_user: str = Field("postgres", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    secret: DnsLabel = Field(
        "postgresql",
        description="Secret with the administrator's password (keys admin-user-password or "
        "postgres-password), read where no POSTGRES_PASSWORD is given",
    )


class ArgoCD(Model):
    """Where Argo CD keeps its Applications."""

    namespace: DnsLabel = "argocd"


class Test(Model):
    """A service's own tests, run in a container before anything is built."""

    image: ImageReference = Field(description="image that has the toolchain")
    command: str = Field(min_length=1, description="shell command; exit code 0 means passed")
    # Not strict: YAML has lists, and a frozen model wants a tuple.
    caches: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (), description="folders kept between runs, as absolute paths in the container"
    )
    timeout_s: Annotated[int, Field(ge=1, le=7200)] = 600

    @model_validator(mode="after")
    def _absolute_caches(self) -> Self:
        for path in self.caches:
            if not path.startswith("/"):
                raise ValueError(f"cache {path!r} is not an absolute path")
        return self


class Database(Model):
    """A database of the service's own, with a role that owns it."""

    name: SqlName | None = Field(None, description="default: the application's name, - as _")
    role: SqlName | None = Field(None, description="default: the database's name")


class Generated(Model):
    """A random value, made once and never again."""

    length: Annotated[int, Field(ge=16, le=512)] = Field(48, description="characters")
    alphabet: Literal["alphanumeric", "hex", "base64url"] = "alphanumeric"


class Secrets(Model):
    """The Kubernetes Secret that the service's pods read."""

    name: DnsLabel | None = Field(None, description="default: <app>-secrets")
    generate: dict[EnvName, Generated] = Field(default_factory=dict, description="keys with random values")


class Health(Model):
    """The HTTP endpoint that says whether a pod serves."""

    path: str = Field("/health", pattern=r"^/[!-~]{0,255}$")
    port: Annotated[int, Field(ge=1, le=65535)] = 4000
    stable_s: Annotated[float, Field(ge=0, le=600)] = Field(
        1.0, description="seconds that it has to stay healthy"
    )


class Workload(Model):
    """What runs the service's pods."""

    kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    name: DnsLabel | None = Field(None, description="default: the application's name")


class Service(Model):
    """One deployable service."""

    app: DnsLabel | None = Field(
        None, description="name of the application in the GitOps repository and in Argo CD"
    )
    context: RelativePath = Field(".", description="folder that is built, from the repository's root")
    dockerfile: RelativePath = Field("Dockerfile", description="path inside the context")
    build_args: dict[EnvName, str] = Field(default_factory=dict)
    namespace: Namespace | None = Field(None, description="default: the project's namespace, else app")
    test: Test | None = None
    database: Database | None = None
    secrets: Secrets = Secrets()
    health: Health = Health()
    workload: Workload = Workload()


class Scan(Model):
    """What the scanner's findings do to a run."""

    gate: Literal["report", "fail"] = Field("report", description="report: findings never stop a run")
    severity: Severity = Field("CRITICAL", description="lowest severity that the gate looks at")


class Environment(Model):
    """How one environment differs from the others."""

    scan: Scan = Scan()
    latest: bool = Field(default=False, description="also publish the tag `latest`")
    namespace: Namespace | None = None
    branch: Branch | None = Field(None, description="branch of the GitOps repository")
    build_args: dict[EnvName, str] = Field(default_factory=dict)


class Scanner(Model):
    """The Trivy image and its vulnerability database."""

    image: ImageReference = "docker.io/aquasec/trivy:0.73.0"
    database: ImageReference = "ghcr.io/aquasecurity/trivy-db:2"


DEFAULT_ENVIRONMENTS = {
    "dev": Environment(latest=True),
    "prod": Environment(scan=Scan(gate="fail")),
}


class Config(Model):
    """Everything that `slipway.yaml` can say."""

    registry: ImagePrefix = Field(description="registry and namespace, like ghcr.io/acme")
    gitops: GitOps
    namespace: Namespace | None = Field(None, description="namespace of services that name none")
    postgres: Postgres = Postgres()
    argocd: ArgoCD = ArgoCD()
    scanner: Scanner = Scanner()
    environments: dict[DnsLabel, Environment] = Field(default_factory=dict)
    services: dict[DnsLabel, Service] = Field(min_length=1)

    @model_validator(mode="after")
    def _prod_never_latest(self) -> Self:
        prod = self.environments.get("prod")
        if prod is not None and prod.latest:
            raise ValueError("prod never publishes `latest` (R2): set latest: false")
        return self

    @model_validator(mode="after")
    def _one_application_each(self) -> Self:
        apps = [service.app or name for name, service in self.services.items()]
        twice = sorted({app for app in apps if apps.count(app) > 1})
        if twice:
            raise ValueError(f"two services share the application {', '.join(twice)}")
        return self

    def environment(self, name: str) -> Environment:
        """Return one environment; `dev` and `prod` exist without being written down (R2)."""
        from slipway_host.errors import SettingsError

        known = {**DEFAULT_ENVIRONMENTS, **self.environments}
        if name not in known:
            raise SettingsError(f"unknown environment {name!r}: there are {', '.join(sorted(known))}")
        return known[name]
