"""From the variables of a build script to keys of `slipway.yaml` (R35)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway_host import names
from slipway_host.scaffold import app_secret, build
from slipway_host.scaffold.advice import advice
from slipway_host.scaffold.leftovers import leftovers
from slipway_host.scaffold.secretive import is_secret
from slipway_host.scaffold.taker import Taker, Translation

if TYPE_CHECKING:
    from slipway_host.scaffold.app_secret import Key
    from slipway_host.scaffold.build import BuildArgument
    from slipway_host.scaffold.draft import Draft
    from slipway_host.scaffold.script import Script

DATABASE_URL = "DATABASE_URL"
APP = ("APP_NAME", "SERVICE_NAME", "APP")


def names_in(script: Script) -> tuple[str, str]:
    """Return the application's name and the image's, "" where the script does not say."""
    app, repository = script.first(*APP), script.first("IMAGE_REPO", "IMAGE_REPOSITORY", "IMAGE_NAME")
    image = (repository.value or "").rpartition("/")[2].partition(":")[0] if repository else ""
    return (app.value or "" if app else ""), image


def translate(script: Script, draft: Draft, service: str) -> Translation:
    """Put what a script says into a draft, and tell what it says besides.

    Args:
        script: the script.
        draft: takes the values.
        service: key of the service that the script delivers.
    """
    return _Translator(script, draft, service).run()


class _Translator(Taker):
    def __init__(self, script: Script, draft: Draft, service: str) -> None:
        super().__init__(script, draft)
        self._service = service
        self.done.app, self.done.image = names_in(script)

    def run(self) -> Translation:
        self._registry()
        self._gitops()
        own = ("services", self._service)
        self.one(("namespace",), names.DNS_LABEL, "NAMESPACE", "K8S_NAMESPACE", "KUBE_NAMESPACE")
        self.one(
            ("postgres", "namespace"),
            names.DNS_LABEL,
            "DB_NAMESPACE",
            "POSTGRES_NAMESPACE",
            "PG_NAMESPACE",
            usual="infra",
        )
        self.one(
            ("postgres", "adminUser"), names.SQL_USER, "DB_ADMIN", "POSTGRES_ADMIN_USER", usual="postgres"
        )
        self.used.update(APP)
        if self.done.app and self.done.app != self._service:
            self.one((*own, "app"), names.DNS_LABEL, *APP)
        self.one(
            (*own, "dockerfile"), names.RELATIVE_PATH, "DOCKERFILE", "DOCKERFILE_PATH", usual="Dockerfile"
        )
        self.one((*own, "health", "path"), names.URL_PATH, "HEALTH_PATH", "HEALTH_ENDPOINT", usual="/health")
        self._port(own)
        self._database(own)
        self._secret(own)
        self._build(own)
        self.done.left += leftovers(self.script, {*self.used, *self.done.taken})
        self.done.left += advice(self.script)
        self.done.left.sort()
        return self.done

    def _registry(self) -> None:
        host = self.found("REGISTRY_SERVER", "REGISTRY_HOST", "DOCKER_REGISTRY", "REGISTRY")
        space = self.found("REGISTRY_NAMESPACE", "REGISTRY_ORG", "DOCKER_NAMESPACE")
        whole = self.found("IMAGE_REPO", "IMAGE_REPOSITORY")
        self.used.add("IMAGE_NAME")
        if whole and whole.value and "/" in whole.value:
            value, sources = whole.value.rpartition("/")[0], (whole,)
        elif host and space:
            value, sources = f"{host.value}/{space.value}", (host, space)  # type: ignore[assignment]
        elif host and host.value and "/" in host.value:
            value, sources = host.value, (host,)
        else:
            return
        head = value.partition("/")[0]
        if "." not in head and ":" not in head and head != "localhost":
            # As docker reads it.
            value = f"docker.io/{value}"
        if names.IMAGE_PREFIX.fullmatch(value):
            self.put(("registry",), value, *sources)
            self.done.taken += [one.name for one in (host, space) if one and one.name not in self.done.taken]
        else:
            self.leave(
                sources[0].line,
                f"{sources[0].name}: {names.described(value)} is no registry with a namespace",
                "pass --registry",
            )

    def _gitops(self) -> None:
        wanted = (
            "DEVOPS_REPO",
            "GITOPS_REPO",
            "DEVOPS_REPOSITORY",
            "GITOPS_REPOSITORY",
            "DEVOPS_REPO_URL",
            "GITOPS_REPO_URL",
        )
        self.one(("gitops", "repository"), names.GIT_ADDRESS, *wanted, as_=_address)
        self.one(
            ("gitops", "branch"),
            names.BRANCH,
            "DEVOPS_BRANCH",
            "GITOPS_BRANCH",
            "DEVOPS_REPO_BRANCH",
            usual="main",
        )
        app = self.done.app or self._service
        self.one(
            ("gitops", "values"),
            names.RELATIVE_PATH,
            "VALUES_FILE_PATH",
            "VALUES_FILE",
            "VALUES_PATH",
            usual="apps/{app}/values.yaml",
            as_=lambda value: value.replace(app, "{app}"),
        )
        self.one(
            ("gitops", "author", "name"),
            names.AUTHOR_NAME,
            "GIT_USER",
            "GIT_USER_NAME",
            "GIT_NAME",
            "GIT_AUTHOR_NAME",
        )
        self.one(
            ("gitops", "author", "email"),
            names.EMAIL_ADDRESS,
            "GIT_EMAIL",
            "GIT_USER_EMAIL",
            "GIT_AUTHOR_EMAIL",
        )

    def _port(self, own: tuple[str, ...]) -> None:
        found = self.found("PORT", "APP_PORT", "CONTAINER_PORT", "SERVICE_PORT")
        if found and (found.value or "").isdecimal():
            self.put((*own, "health", "port"), int(found.value or ""), found)

    def _database(self, own: tuple[str, ...]) -> None:
        app = (self.done.app or self._service).replace("-", "_")
        name = self.found("SERVICE_DB_NAME", "DB_NAME", "DATABASE_NAME", "POSTGRES_DB")
        role = self.found("SERVICE_DB_USER", "DB_USER", "DATABASE_USER", "POSTGRES_USER")
        if name is None and role is None:
            return
        path = (*own, "database")
        usable = [one for one in (name, role) if one and names.SQL_NAME.fullmatch(one.value or "")]
        for one in (one for one in (name, role) if one and one not in usable):
            self.leave(
                one.line,
                f"{one.name}: {names.described(one.value)} is no name that PostgreSQL takes unquoted",
                "write services.<name>.database by hand",
            )
        if not usable:
            return
        if name is not None and name in usable and name.value != app:
            self.put((*path, "name"), name.value, name)
        if role is not None and role in usable and role.value != (name.value if name else app):
            self.put((*path, "role"), role.value, role)
        if self.draft.get(*path) is None:
            self.put(path, {}, *usable)

    def _secret(self, own: tuple[str, ...]) -> None:
        app = self.done.app or self._service
        self.one(
            (*own, "secrets", "name"),
            names.DNS_LABEL,
            "ENV_SECRET_NAME",
            "SECRET_NAME",
            "APP_SECRET_NAME",
            usual=f"{app}-secrets",
        )
        for key in app_secret.keys(self.script):
            self._key(own, key)

    def _key(self, own: tuple[str, ...], key: Key) -> None:
        where, given = f"{self.script.name}:{key.line}", self.draft.get(*own, "secrets", "given")
        if key.name == DATABASE_URL:
            if self.draft.get(*own, "database") is None:
                self.draft.put((*own, "database"), {}, f"{where}: {DATABASE_URL}")
        elif key.random:
            self.draft.put((*own, "secrets", "generate", key.name), {}, where)
        elif given is None:
            origin = f"{where}; give each by appSecrets=env://… in .env"
            self.draft.put((*own, "secrets", "given"), [key.name], origin)
        elif key.name not in given:
            given.append(key.name)
        self.used.add(key.name)

    def _build(self, own: tuple[str, ...]) -> None:
        for value, line in build.dockerfiles(self.script):
            self._dockerfile(own, value, line)
        for one in build.arguments(self.script):
            self._build_argument(own, one)

    def _dockerfile(self, own: tuple[str, ...], value: str | None, line: int) -> None:
        context = self.draft.get(*own, "context")
        value = value and re.sub(r"^\./", "", value)
        if value and context and value.startswith(f"{context}/"):
            value = value.removeprefix(f"{context}/")
        if value and value != "Dockerfile" and names.RELATIVE_PATH.fullmatch(value):
            self.draft.put((*own, "dockerfile"), value, f"{self.script.name}:{line}")

    def _build_argument(self, own: tuple[str, ...], one: BuildArgument) -> None:
        name = one.name
        if is_secret(name, one.value or ""):
            self.leave(
                one.line,
                f"build argument {name} looks like a secret: the image shows it to everybody",
                f"RUN --mount=type=secret,id={name.lower()} in the Dockerfile, and buildSecrets: "
                f"{{{name.lower()}: {name}}}",
            )
        elif one.value is None:
            self.leave(
                one.line,
                f"build argument {name}: {one.source} is known only when the script runs",
                f"services.{self._service}.buildArgs.{name}, or environments.<name>.buildArgs",
            )
            where = f"{self.script.name}'s environment (line {one.line})"
            self.draft.todo(own, f"buildArgs.{name}: its value comes from {where}")
        else:
            self.draft.put((*own, "buildArgs", name), one.value, f"{self.script.name}:{one.line}")
            if name not in self.done.taken:
                self.done.taken.append(name)


def _address(value: str) -> str:
    """Return a repository as an address; `owner/name` is GitHub's."""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", value):
        return f"https://github.com/{value.removesuffix('.git')}.git"
    return value
