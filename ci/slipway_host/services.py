"""What `slipway.yaml` says of one service."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from slipway_host.errors import nearest
from slipway_host.load_config import Load  # noqa: TC001 - pydantic reads the annotations
from slipway_host.names import (
    AbsolutePath,
    DnsLabel,
    EnvName,
    ImageReference,
    Memory,
    Model,
    Namespace,
    Platform,
    Port,
    RelativePath,
    SecretId,
    SqlExtension,
    SqlName,
    UrlPath,
    problem,
)

JWT_KEY = "JWT_SECRET"
SHORTEST_JWT = 32
"""Characters: RFC 7518 asks for a key of 256 bits with HS256, and no character has more than 8."""
SMOKE_VARIABLES = frozenset({"SMOKE_URL", "SMOKE_URLS"})
DATABASE_PARTS = frozenset({"host", "port", "name", "user", "password", "url"})


class Test(Model):
    """A service's own tests, run in a container before anything is built."""

    image: ImageReference = Field(description="image that has the toolchain")
    command: str = Field(min_length=1, description="shell command; exit code 0 means passed")
    # Not strict: YAML has lists, and a frozen model wants a tuple.
    caches: Annotated[tuple[AbsolutePath, ...], Field(strict=False)] = Field(
        (), description="folders kept between runs, as absolute paths in the container"
    )
    timeout_s: Annotated[int, Field(ge=1, le=7200)] = Field(600, description="seconds until it is stopped")
    postgres: ImageReference | None = Field(
        None,
        description="image of a PostgreSQL that runs beside the tests, like postgres:16; they find it by "
        "the variable TEST_DATABASE_URL",
    )
    junit: RelativePath | None = Field(
        None, description="JUnit report that the command writes, as a path inside the context"
    )


class Database(Model):
    """A database of the service's own, with a role that owns it; `{}` takes every default."""

    name: SqlName | None = Field(
        None, description="name of the database; default: the application's name, - as _"
    )
    role: SqlName | None = Field(None, description="role that owns it; default: the database's name")
    extensions: Annotated[tuple[SqlExtension, ...], Field(strict=False)] = Field(
        (),
        description="extensions that it needs, in this order, like [uuid-ossp, pg_trgm]; one that is there "
        "keeps its version",
    )
    read_only: Annotated[tuple[SqlName, ...], Field(strict=False)] = Field(
        (),
        description="roles that may read all tables in schema public, later ones too; one that is absent is "
        "made as a group (NOLOGIN), to be granted to people and tools",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for key, items in (("extensions", self.extensions), ("readOnly", self.read_only)):
            for index, item in enumerate(items):
                if item in items[:index]:
                    raise problem(f"{item!r} is listed twice", key, index)
        return self


class Migration(Model):
    """A Kubernetes Job that runs before the rollout, with the service's Secret as its environment."""

    command: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        description="program and arguments, like [/app/migrate, up]; exit code 0 means done"
    )
    image: ImageReference | None = Field(
        None, description="image that has the program; default: the service's own, by digest"
    )
    timeout_s: Annotated[int, Field(ge=1, le=7200)] = Field(600, description="seconds until it is stopped")
    run_as_user: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="user id to run as, for an image whose user is a name; default: the image's own"
    )


class Smoke(Model):
    """A Kubernetes Job that tests the new pods, after their health check and before the proof."""

    command: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        description="program and arguments, like [/app/smoke, $(SMOKE_URL)]; exit code 0 means passed. "
        "SMOKE_URL is the address of a new pod, SMOKE_URLS are those of all of them, with spaces between"
    )
    image: ImageReference | None = Field(
        None, description="image that has the program; default: the service's own, by digest"
    )
    env: dict[EnvName, str] = Field(
        default_factory=dict, description="more environment variables; never for secrets"
    )
    secret_keys: Annotated[tuple[EnvName, ...], Field(strict=False)] = Field(
        (), description="keys of the service's Secret that it gets as environment variables"
    )
    timeout_s: Annotated[int, Field(ge=1, le=3600)] = Field(60, description="seconds until it is stopped")
    memory: Memory = Field("256Mi", description="memory that it may use")
    run_as_user: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="user id to run as, for an image whose user is a name; default: the image's own"
    )

    @model_validator(mode="after")
    def _one_source_each(self) -> Self:
        for key in self.env:
            if key in SMOKE_VARIABLES:
                raise problem(f"{key} is what tells it where the pods are", "env", key)
        for index, key in enumerate(self.secret_keys):
            if key in SMOKE_VARIABLES or key in self.env or key in self.secret_keys[:index]:
                raise problem(f"{key} has another source as well, or is listed twice", "secretKeys", index)
        return self


class Generated(Model):
    """A random value, made once and never again; `{}` takes every default."""

    length: Annotated[int, Field(ge=16, le=512)] = Field(48, description="characters")
    alphabet: Literal["alphanumeric", "hex", "base64url"] = Field(
        "alphanumeric", description="what the characters are"
    )


class Secrets(Model):
    """The Kubernetes Secret that the service's pods read."""

    name: DnsLabel | None = Field(
        None, description="name of the Secret; default: the application's name with -secrets"
    )
    generate: dict[EnvName, Generated] = Field(default_factory=dict, description="keys with random values")
    compose: dict[EnvName, str] = Field(
        default_factory=dict,
        description="keys made of the database's parts: {host}, {port}, {name}, {user}, {password} and "
        "{url}, which is DATABASE_URL; in a value with :// they are percent-encoded",
    )
    # Not strict: YAML has lists, and a frozen model wants a tuple.
    given: Annotated[tuple[EnvName, ...], Field(strict=False)] = Field(
        (),
        description="keys whose values come from --app-secrets, by name: REDIS_URL of env://REDIS_URL; "
        "needed only until the Secret has them",
    )

    @model_validator(mode="after")
    def _one_source_each(self) -> Self:
        for key, template in self.compose.items():
            unknown = [
                found for found in re.findall(r"\{([^{}]*)\}", template) if found not in DATABASE_PARTS
            ]
            if unknown:
                parts = ", ".join(sorted(DATABASE_PARTS))
                raise problem(
                    f"unknown part {{{unknown[0]}}}: there are {parts}{nearest(unknown[0], DATABASE_PARTS)}",
                    *("compose", key),
                )
            if not template.strip():
                raise problem("an empty value is no secret", "compose", key)
            if key in self.generate:
                raise problem(f"{key} is generated as well", "compose", key)
        for index, key in enumerate(self.given):
            if key in self.compose or key in self.generate or key in self.given[:index]:
                raise problem(f"{key} has another source as well, or is listed twice", "given", index)
        recipe = self.generate.get(JWT_KEY)
        if recipe and recipe.length < SHORTEST_JWT:
            raise problem(f"HS256 needs at least {SHORTEST_JWT} characters", "generate", JWT_KEY, "length")
        return self


class Health(Model):
    """The HTTP endpoint that says whether a pod serves."""

    path: UrlPath = Field("/health", description="path that answers 2xx")
    port: Port = Field(4000, description="port of the container")
    stable_s: Annotated[float, Field(ge=0, le=600)] = Field(
        1.0, description="seconds that it has to stay healthy"
    )


class Metrics(Model):
    """The HTTP endpoint with the pods' Prometheus metrics."""

    path: UrlPath = Field("/metrics", description="path that answers in Prometheus' text format")
    port: Port | None = Field(None, description="port of the container; default: health.port")


class Workload(Model):
    """What runs the service's pods."""

    kind: Literal["Deployment", "StatefulSet", "DaemonSet", "Rollout"] = Field(
        "Deployment", description="its kind in Kubernetes; Rollout is that of Argo Rollouts"
    )
    name: DnsLabel | None = Field(None, description="its name; default: the application's name")
    deadline_s: Annotated[float, Field(ge=10, le=86_400)] = Field(
        300.0,
        description="seconds that a rollout may take: of a Rollout, with all its pauses and analyses",
    )


class Service(Model):
    """One deployable service; `{}` takes every default."""

    app: DnsLabel | None = Field(
        None,
        description="name of the application in the GitOps repository and in Argo CD; default: the "
        "service's key",
    )
    context: RelativePath = Field(".", description="folder that is built, from the repository's root")
    dockerfile: RelativePath = Field("Dockerfile", description="path inside the context")
    build_args: dict[EnvName, str] = Field(
        default_factory=dict,
        description="build arguments; {commit}, {tag} and {environment} are filled in. Never for secrets: "
        "the image shows them",
    )
    build_secrets: dict[SecretId, EnvName] = Field(
        default_factory=dict,
        description="secrets of the build, by the id in the Dockerfile (RUN --mount=type=secret,id=npm): the "
        "name of one that is given with --build-secrets, like NPM_TOKEN of env://NPM_TOKEN",
    )
    platforms: Annotated[tuple[Platform, ...], Field(strict=False)] = Field(
        (),
        description="platforms to build for, like linux/arm64; several are one index; default: the engine's",
    )
    depends_on: Annotated[tuple[DnsLabel, ...], Field(strict=False)] = Field(
        (), description="services that have to be deployed before this one"
    )
    namespace: Namespace | None = Field(
        None,
        description="namespace in Kubernetes; default: the project's namespace, else the application's name",
    )
    test: Test | None = Field(None, description="the service's own tests; default: none")
    database: Database | None = Field(None, description="a PostgreSQL database; default: none")
    migration: Migration | None = Field(None, description="a Job before the rollout; default: none")
    secrets: Secrets = Field(Secrets(), description="the Secret that the pods read")
    health: Health = Field(Health(), description="the endpoint that says whether a pod serves")
    smoke: Smoke | None = Field(None, description="a Job that tests the new pods; default: none")
    load: Load | None = Field(None, description="a load check of the new pods; default: none")
    metrics: Metrics = Field(Metrics(), description="the endpoint with the pods' Prometheus metrics")
    workload: Workload = Field(Workload(), description="what runs the pods")

    @model_validator(mode="after")
    def _composed_of_something(self) -> Self:
        if self.secrets.compose and self.database is None:
            raise problem("there is no `database` to compose them of", "secrets", "compose")
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for key, items in (("platforms", self.platforms), ("dependsOn", self.depends_on)):
            for index, item in enumerate(items):
                if item in items[:index]:
                    raise problem(f"{item!r} is listed twice", key, index)
        return self
