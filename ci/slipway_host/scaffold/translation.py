"""From the variables of a build script to keys of `slipway.yaml` (R35)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slipway_host import names
from slipway_host.scaffold import app_secret, build
from slipway_host.scaffold.advice import Advice, advice
from slipway_host.scaffold.leftovers import leftovers
from slipway_host.scaffold.script import COMMIT, TAG
from slipway_host.scaffold.secretive import is_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_host.scaffold.app_secret import Key
    from slipway_host.scaffold.build import BuildArgument
    from slipway_host.scaffold.draft import Draft
    from slipway_host.scaffold.script import Script, Variable

DATABASE_URL = "DATABASE_URL"
APP = ("APP_NAME", "SERVICE_NAME", "APP")


@dataclass(kw_only=True)
class Translation:
    """What became of a script.

    Args:
        taken: names that went into the file.
        left: what did not, with one line of advice each.
        app: the application's name, "" where the script has none.
        image: last part of the image's name, "" where the script has none.
    """

    taken: list[str] = field(default_factory=list)
    left: list[Advice] = field(default_factory=list)
    app: str = ""
    image: str = ""


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


class _Translator:
    def __init__(self, script: Script, draft: Draft, service: str) -> None:
        self._script, self._draft, self._service = script, draft, service
        self._done = Translation()
        self._done.app, self._done.image = names_in(script)
        self._used: set[str] = set()

    def run(self) -> Translation:
        self._registry()
        self._gitops()
        own = ("services", self._service)
        self._one(("namespace",), names.DNS_LABEL, "NAMESPACE", "K8S_NAMESPACE", "KUBE_NAMESPACE")
        self._one(
            ("postgres", "namespace"),
            names.DNS_LABEL,
            "DB_NAMESPACE",
            "POSTGRES_NAMESPACE",
            "PG_NAMESPACE",
            usual="infra",
        )
        self._one(
            ("postgres", "adminUser"), names.SQL_USER, "DB_ADMIN", "POSTGRES_ADMIN_USER", usual="postgres"
        )
        self._used.update(APP)
        if self._done.app and self._done.app != self._service:
            self._one((*own, "app"), names.DNS_LABEL, *APP)
        self._one(
            (*own, "dockerfile"), names.RELATIVE_PATH, "DOCKERFILE", "DOCKERFILE_PATH", usual="Dockerfile"
        )
        self._one((*own, "health", "path"), names.URL_PATH, "HEALTH_PATH", "HEALTH_ENDPOINT", usual="/health")
        self._port(own)
        self._database(own)
        self._secret(own)
        self._build(own)
        self._done.left += leftovers(self._script, {*self._used, *self._done.taken})
        self._done.left += advice(self._script)
        self._done.left.sort()
        return self._done

    def _where(self, variable: Variable) -> str:
        return f"{self._script.name}:{variable.line}" + (", its default" if variable.default else "")

    def _found(self, *wanted: str) -> Variable | None:
        self._used.update(wanted)
        found = self._script.first(*wanted)
        if found and is_secret(found.name, found.value or ""):
            self._leave(
                found.line,
                f"{found.name} looks like a secret and was not taken over",
                "keep it in the CI's secrets; if it was ever committed, rotate it",
            )
            return None
        return found

    def _one(
        self,
        path: tuple[str, ...],
        pattern: re.Pattern[str],
        *wanted: str,
        usual: str = "",
        as_: Callable[[str], str] = str,
    ) -> None:
        """Put one variable's value at a path, where it may stand there."""
        found = self._found(*wanted)
        if found is None or found.value is None:
            return
        value = as_(found.value)
        if not pattern.fullmatch(value) or COMMIT in value or TAG in value:
            self._leave(
                found.line,
                f"{found.name}: its value cannot be {'.'.join(path[-2:])}",
                "write that key by hand",
            )
        elif value != usual:
            self._put(path, value, found)

    def _put(self, path: tuple[str, ...], value: object, *sources: Variable) -> None:
        self._draft.put(path, value, ", ".join(dict.fromkeys(self._where(one) for one in sources)))
        self._done.taken += [one.name for one in sources if one.name not in self._done.taken]

    def _leave(self, line: int, what: str, instead: str) -> None:
        self._done.left.append(Advice(line=line, what=what, instead=instead))

    def _registry(self) -> None:
        host = self._found("REGISTRY_SERVER", "REGISTRY_HOST", "DOCKER_REGISTRY", "REGISTRY")
        space = self._found("REGISTRY_NAMESPACE", "REGISTRY_ORG", "DOCKER_NAMESPACE")
        whole = self._found("IMAGE_REPO", "IMAGE_REPOSITORY")
        self._used.add("IMAGE_NAME")
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
            self._put(("registry",), value, *sources)
            self._done.taken += [
                one.name for one in (host, space) if one and one.name not in self._done.taken
            ]
        else:
            self._leave(
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
        self._one(("gitops", "repository"), names.GIT_ADDRESS, *wanted, as_=_address)
        self._one(
            ("gitops", "branch"),
            names.BRANCH,
            "DEVOPS_BRANCH",
            "GITOPS_BRANCH",
            "DEVOPS_REPO_BRANCH",
            usual="main",
        )
        app = self._done.app or self._service
        self._one(
            ("gitops", "values"),
            names.RELATIVE_PATH,
            "VALUES_FILE_PATH",
            "VALUES_FILE",
            "VALUES_PATH",
            usual="apps/{app}/values.yaml",
            as_=lambda value: value.replace(app, "{app}"),
        )
        self._one(
            ("gitops", "author", "name"),
            names.AUTHOR_NAME,
            "GIT_USER",
            "GIT_USER_NAME",
            "GIT_NAME",
            "GIT_AUTHOR_NAME",
        )
        self._one(
            ("gitops", "author", "email"),
            names.EMAIL_ADDRESS,
            "GIT_EMAIL",
            "GIT_USER_EMAIL",
            "GIT_AUTHOR_EMAIL",
        )

    def _port(self, own: tuple[str, ...]) -> None:
        found = self._found("PORT", "APP_PORT", "CONTAINER_PORT", "SERVICE_PORT")
        if found and (found.value or "").isdecimal():
            self._put((*own, "health", "port"), int(found.value or ""), found)

    def _database(self, own: tuple[str, ...]) -> None:
        app = (self._done.app or self._service).replace("-", "_")
        name = self._found("SERVICE_DB_NAME", "DB_NAME", "DATABASE_NAME", "POSTGRES_DB")
        role = self._found("SERVICE_DB_USER", "DB_USER", "DATABASE_USER", "POSTGRES_USER")
        if name is None and role is None:
            return
        path = (*own, "database")
        usable = [one for one in (name, role) if one and names.SQL_NAME.fullmatch(one.value or "")]
        for one in (one for one in (name, role) if one and one not in usable):
            self._leave(
                one.line,
                f"{one.name}: {names.described(one.value)} is no name that PostgreSQL takes unquoted",
                "write services.<name>.database by hand",
            )
        if not usable:
            return
        if name is not None and name in usable and name.value != app:
            self._put((*path, "name"), name.value, name)
        if role is not None and role in usable and role.value != (name.value if name else app):
            self._put((*path, "role"), role.value, role)
        if self._draft.get(*path) is None:
            self._put(path, {}, *usable)

    def _secret(self, own: tuple[str, ...]) -> None:
        app = self._done.app or self._service
        self._one(
            (*own, "secrets", "name"),
            names.DNS_LABEL,
            "ENV_SECRET_NAME",
            "SECRET_NAME",
            "APP_SECRET_NAME",
            usual=f"{app}-secrets",
        )
        for key in app_secret.keys(self._script):
            self._key(own, key)

    def _key(self, own: tuple[str, ...], key: Key) -> None:
        where, given = f"{self._script.name}:{key.line}", self._draft.get(*own, "secrets", "given")
        if key.name == DATABASE_URL:
            if self._draft.get(*own, "database") is None:
                self._draft.put((*own, "database"), {}, f"{where}: {DATABASE_URL}")
        elif key.random:
            self._draft.put((*own, "secrets", "generate", key.name), {}, where)
        elif given is None:
            origin = f"{where}; give each by appSecrets=env://… in .env"
            self._draft.put((*own, "secrets", "given"), [key.name], origin)
        elif key.name not in given:
            given.append(key.name)
        self._used.add(key.name)

    def _build(self, own: tuple[str, ...]) -> None:
        for value, line in build.dockerfiles(self._script):
            self._dockerfile(own, value, line)
        for one in build.arguments(self._script):
            self._build_argument(own, one)

    def _dockerfile(self, own: tuple[str, ...], value: str | None, line: int) -> None:
        context = self._draft.get(*own, "context")
        value = value and re.sub(r"^\./", "", value)
        if value and context and value.startswith(f"{context}/"):
            value = value.removeprefix(f"{context}/")
        if value and value != "Dockerfile" and names.RELATIVE_PATH.fullmatch(value):
            self._draft.put((*own, "dockerfile"), value, f"{self._script.name}:{line}")

    def _build_argument(self, own: tuple[str, ...], one: BuildArgument) -> None:
        name = one.name
        if is_secret(name, one.value or ""):
            self._leave(
                one.line,
                f"build argument {name} looks like a secret: the image shows it to everybody",
                f"RUN --mount=type=secret,id={name.lower()} in the Dockerfile, and buildSecrets: "
                f"{{{name.lower()}: {name}}}",
            )
        elif one.value is None:
            self._leave(
                one.line,
                f"build argument {name}: {one.source} is known only when the script runs",
                f"services.{self._service}.buildArgs.{name}, or environments.<name>.buildArgs",
            )
            where = f"{self._script.name}'s environment (line {one.line})"
            self._draft.todo(own, f"buildArgs.{name}: its value comes from {where}")
        else:
            self._draft.put((*own, "buildArgs", name), one.value, f"{self._script.name}:{one.line}")
            if name not in self._done.taken:
                self._done.taken.append(name)


def _address(value: str) -> str:
    """Return a repository as an address; `owner/name` is GitHub's."""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", value):
        return f"https://github.com/{value.removesuffix('.git')}.git"
    return value
