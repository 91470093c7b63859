"""`slipway.yaml`: the models of what it may say.

The file belongs to the service's own repository. Keys are camelCase, as in Kubernetes and Argo CD. Single
services are in `services`, environments and what they inherit in `environments`, kinds of names in `names`.
"""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from slipway_host import app_names, commit_message
from slipway_host import environments as inheritance
from slipway_host.environments import MODE, WAIT, Environment, Mode, Scan, Wait
from slipway_host.errors import nearest
from slipway_host.kpi_targets import Kpis
from slipway_host.names import (
    AuthorName,
    Branch,
    CommitMessage,
    DnsLabel,
    EmailAddress,
    EnvironmentKey,
    GitAddress,
    HttpsAddress,
    ImagePrefix,
    ImageReference,
    KnownHost,
    Model,
    Namespace,
    Port,
    RelativePath,
    SqlUser,
    problem,
)
from slipway_host.pricing import Cost
from slipway_host.services import Database, Generated, Health, Migration, Secrets, Service, Test, Workload
from slipway_host.signing import Signing

__all__ = [
    "ArgoCD",
    "Author",
    "Config",
    "Cost",
    "Database",
    "Environment",
    "Generated",
    "GitOps",
    "Health",
    "Kpis",
    "Migration",
    "Postgres",
    "Receipts",
    "Scan",
    "Scanner",
    "Secrets",
    "Service",
    "Signing",
    "Test",
    "Workload",
]


VALUES_PARTS = ("{app}", "{service}", "{environment}")


class Author(Model):
    """Who makes the commits in the GitOps repository."""

    name: AuthorName = Field("slipway", description="name")
    email: EmailAddress = Field("slipway@users.noreply.invalid", description="address")


class Receipts(Model):
    """Where the receipts of runs are kept: in the GitOps repository, beside the values files."""

    store: bool = Field(default=True, description="keep each run's receipt; false keeps none")
    branch: Branch = Field(
        "slipway-receipts",
        description="branch that keeps them; a branch of its own is none that Argo CD watches, and it may be "
        "written where the other one is protected",
    )


class GitOps(Model):
    """The repository that Argo CD watches."""

    repository: GitAddress = Field(description="https or ssh address, without credentials")
    branch: Branch = Field("main", description="branch that is written")
    values: RelativePath = Field(
        "apps/{app}/values.yaml",
        description="path of an application's values file; {app} is its name, {service} the service's key, "
        "{environment} the environment's name",
    )
    digest: bool = Field(
        default=False,
        description="write `image.digest` beside the tag, where there is none, too; the chart must read it",
    )
    message: CommitMessage = Field(
        commit_message.TEMPLATE,
        description="subject of the commit; {app} and {tag} are the applications and the tag",
    )
    author: Author = Field(Author(), description="author and committer of the commit")
    # Not strict: YAML has lists, and a frozen model wants a tuple.
    known_hosts: Annotated[tuple[KnownHost, ...], Field(strict=False)] = Field(
        (),
        description="host keys of a server over ssh, lines as in OpenSSH's known_hosts; default: the "
        "machine's own files",
    )
    mode: Mode = Field("push", description=MODE)
    wait: Wait = Field("opened", description=WAIT)
    wait_s: float = Field(1800, ge=1, le=86400, description="seconds that `wait: merged` waits")
    api: Literal["github", "gitea"] | None = Field(
        None, description="API for pull requests; default: github where the host is github.com"
    )
    api_url: HttpsAddress | None = Field(
        None,
        description="root of that API; default: https://api.github.com, and on other hosts /api/v3 (github) "
        "or /api/v1 (gitea) of the repository's host",
    )
    receipts: Receipts = Field(Receipts(), description="where the receipts of runs are kept")

    @model_validator(mode="after")
    def _one_file_per_application(self) -> Self:
        for part in re.findall(r"\{[^{}]*\}", self.values):
            if part not in VALUES_PARTS:
                raise problem(f"unknown part {part}: there are {', '.join(VALUES_PARTS)}", "values")
        if "{app}" not in self.values and "{service}" not in self.values:
            raise problem("values must contain {app} or {service}", "values")
        return self


class Postgres(Model):
    """The PostgreSQL server that holds the services' databases.

    It is reached by psql in its pod, or, where a POSTGRES_DSN is given, by that; then only `ca` counts.
    """

    namespace: DnsLabel = Field("infra", description="namespace of the server's pods and Service")
    selector: str = Field(
        "app.kubernetes.io/name=postgresql", description="label selector of the server's pods"
    )
    container: DnsLabel = Field("postgresql", description="container to run psql in")
    service: DnsLabel = Field("postgresql", description="Service that applications connect to")
    port: Port = Field(5432, description="port of the Service")
    admin_user: SqlUser = Field("postgres", description="administrator that makes roles and databases")
    secret: DnsLabel = Field(
        "postgresql",
        description="Secret with the administrator's password (keys admin-user-password or "
        "postgres-password), read where no POSTGRES_PASSWORD is given",
    )
    ca: str | None = Field(
        None,
        pattern="-----BEGIN CERTIFICATE-----",
        description="certificates in PEM form that vouch for the server of a POSTGRES_DSN; default: the "
        "system's own",
    )


class ArgoCD(Model):
    """Where Argo CD keeps its Applications, and by which API they are read and changed."""

    namespace: DnsLabel = Field("argocd", description="namespace of the Applications")
    server: HttpsAddress | None = Field(
        None,
        description="address of Argo CD's own API, used with an ARGOCD_AUTH_TOKEN; default: its Applications "
        "are read and patched through the Kubernetes API",
    )
    ca: str | None = Field(
        None,
        pattern="-----BEGIN CERTIFICATE-----",
        description="certificates in PEM form that vouch for `server`; default: the system's own",
    )


class Scanner(Model):
    """The Trivy image, its vulnerability databases, and what it leaves out."""

    image: ImageReference = Field("docker.io/aquasec/trivy:0.73.0", description="image of Trivy")
    databases: list[ImageReference] = Field(
        ["mirror.gcr.io/aquasec/trivy-db:2", "ghcr.io/aquasecurity/trivy-db:2"],
        min_length=1,
        description="where the vulnerability database is, first choice first; the next one is asked whenever "
        "one fails, for whatever reason",
    )
    ignore_file: RelativePath = Field(
        ".trivyignore.yaml",
        description="findings to leave out, from the repository's root; may be absent",
    )
    ignore_from: Branch | None = Field(
        None,
        description="branch whose ignore file counts, so that no change brings its own; default: the "
        "commit's own file counts",
    )


class Config(Model):
    """Everything that `slipway.yaml` can say."""

    registry: ImagePrefix = Field(description="registry and namespace, like ghcr.io/acme")
    gitops: GitOps = Field(description="the repository that Argo CD watches")
    namespace: Namespace | None = Field(
        None, description="namespace of services that name none; default: each application's name"
    )
    postgres: Postgres = Field(Postgres(), description="the PostgreSQL server in the cluster")
    argocd: ArgoCD = Field(ArgoCD(), description="where Argo CD is")
    scanner: Scanner = Field(Scanner(), description="the scanner")
    signing: Signing = Field(Signing(), description="signatures of the images")
    cost: Cost = Field(Cost(), description="costs of what runs")
    kpis: Kpis = Field(Kpis(), description="KPIs and their targets")
    environments: dict[EnvironmentKey, Environment] = Field(
        default_factory=dict,
        description="environments; dev and prod are there without being written, and a key like pr-* is for "
        "all of that kind: pr-1, pr-2",
    )
    services: dict[DnsLabel, Service] = Field(min_length=1, description="what is deployed, by name")

    @model_validator(mode="after")
    def _environments_that_can_be(self) -> Self:
        inheritance.check(self.environments, self.services)
        return self

    @model_validator(mode="after")
    def _one_application_each(self) -> Self:
        app_names.check(self.environments, {name: service.app for name, service in self.services.items()})
        return self

    @model_validator(mode="after")
    def _dependencies_that_can_be(self) -> Self:
        known = sorted(self.services)
        for name, service in self.services.items():
            for index, other in enumerate(service.depends_on):
                if other not in known:
                    raise problem(
                        f"unknown service {other!r}: there are {', '.join(known)}{nearest(other, known)}",
                        *("services", name, "dependsOn", index),
                    )
        try:
            TopologicalSorter({name: one.depends_on for name, one in self.services.items()}).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1][::-1]
            raise problem(
                f"services depend on each other in a circle: {' on '.join(circle)}",
                *("services", circle[0], "dependsOn"),
            ) from None
        return self

    def application(self, name: str, environment: str) -> str:
        """Return the name of a service's application in the GitOps repository and in Argo CD.

        Raises:
            SettingsError: no such environment.
        """
        return app_names.name_of(self.environments, environment, name, self.services[name].app)

    def environment(self, name: str, service: str = "") -> Environment:
        """Return one environment with all that it inherits; `dev` and `prod` always exist (R2).

        Args:
            name: the environment.
            service: for this service, whose own overrides are then in `app`, `namespace` and `build_args`.

        Raises:
            SettingsError: no such environment.
        """
        return inheritance.resolve(self.environments, name, service)
