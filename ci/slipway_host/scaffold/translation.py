"""From the variables of a build script to keys of `slipway.yaml` (R35)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slipway_host import names
from slipway_host.scaffold.advice import Advice, advice
from slipway_host.scaffold.script import COMMIT, LIST, TAG
from slipway_host.scaffold.secretive import is_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_host.scaffold.draft import Draft
    from slipway_host.scaffold.script import Script, Variable

APP = ("APP_NAME", "SERVICE_NAME", "APP")
SHELL = re.compile(
    r"(RED|GREEN|YELLOW|BLUE|CYAN|MAGENTA|BOLD|NC|RESET|NO_COLOR|SCRIPT_DIR|ROOT_DIR|IFS|PATH|DOCKER_BUILDKIT|KUBECONFIG|LC_ALL|LANG)$|_COLOR$"
)
"""Variables of the shell's own, of which nothing is to be said."""
NO_PLACE = {
    "DEPLOY": "`dagger call push` builds and pushes without deploying",
    "SETUP_DATABASES": "services.<name>.database says whether there is one",
    "SETUP_SECRETS": "services.<name>.secrets says which there are",
    "DB_TYPES": "databases other than PostgreSQL have no place; REDIS_URL is a key for secrets.given",
    "DEVOPS_DIR": "the GitOps repository is cloned anew for each run",
    "CLONE_URL": "gitops.repository is what is cloned, with ghPat",
    "KUBE_CONFIG": "kubeConfig=env://KUBE_CONFIG in .env",
    "TRIVY_ECODE": "environments.<name>.scan.gate says what stops a run",
    "TRIVY_SEVERITY": "environments.<name>.scan.severity says what the gate looks at",
    "SEVERITY": "environments.<name>.scan.severity says what the gate looks at",
}


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
        self._build_arguments(own)
        self._leftovers()
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
        for command in self._script.commands:
            if command.program == "kubectl" and {"create", "secret", "generic"} <= set(command.raw):
                for word, line in zip(command.raw, command.lines, strict=True):
                    if key := re.match(r"--from-literal=[\"']?([A-Za-z_]\w*)=", word):
                        self._key(own, key[1], line)

    def _key(self, own: tuple[str, ...], key: str, line: int) -> None:
        where = f"{self._script.name}:{line}"
        written = next((one for one in self._script.variables if one.name == key), None)
        random = re.search(rf"{key}=[^\n]*(openssl rand|urandom|uuidgen|pwgen)", "\n".join(self._lines()))
        if key == "DATABASE_URL":
            if self._draft.get(*own, "database") is None:
                self._draft.put((*own, "database"), {}, f"{where}: DATABASE_URL")
        elif random or key in {"JWT_SECRET", "API_SECRET", "SESSION_SECRET"}:
            self._draft.put((*own, "secrets", "generate", key), {}, where)
        else:
            given = self._draft.get(*own, "secrets", "given")
            if given is None:
                self._draft.put(
                    (*own, "secrets", "given"), [key], f"{where}; give each by appSecrets=env://… in .env"
                )
            elif key not in given:
                given.append(key)
        if written:
            self._used.add(key)

    def _lines(self) -> list[str]:
        # What is random stands in a command, what it is for in the text around it.
        return [command.text for command in self._script.commands] + [
            f"{one.name}={one.why}" for one in self._script.variables if one.value is None
        ]

    def _build_arguments(self, own: tuple[str, ...]) -> None:
        for command in self._script.commands:
            for index, raw in enumerate(command.raw):
                word, text = command.words[index], raw
                if raw in {"-f", "--file"} and "build" in command.raw and index + 1 < len(command.raw):
                    self._dockerfile(own, command.words[index + 1], command.lines[index + 1])
                if raw == "--build-arg" and index + 1 < len(command.raw):
                    word, text = command.words[index + 1], command.raw[index + 1]
                elif raw.startswith("--build-arg="):
                    word, text = word and word.partition("=")[2], raw.partition("=")[2].strip("\"'")
                elif found := re.match(r"(?:--opt[= ])?build-arg:(.*)", raw):
                    word, text = word and word.partition(":")[2], found[1].strip("\"'")
                else:
                    continue
                self._build_argument(own, text, word, command.lines[index])

    def _dockerfile(self, own: tuple[str, ...], value: str | None, line: int) -> None:
        context = self._draft.get(*own, "context")
        value = value and re.sub(r"^\./", "", value)
        if value and context and value.startswith(f"{context}/"):
            value = value.removeprefix(f"{context}/")
        if value and value != "Dockerfile" and names.RELATIVE_PATH.fullmatch(value):
            self._draft.put((*own, "dockerfile"), value, f"{self._script.name}:{line}")

    def _build_argument(self, own: tuple[str, ...], text: str, word: str | None, line: int) -> None:
        name, _, raw = text.partition("=")
        value = word.partition("=")[2] if word and "=" in word else None
        if not names.ENV_NAME.fullmatch(name):
            return
        if is_secret(name, value or ""):
            self._leave(
                line,
                f"build argument {name} looks like a secret: the image shows it to everybody",
                f"RUN --mount=type=secret in the Dockerfile, buildSecrets: {{{name.lower()}: {name}}} and buildSecrets=env://{name}",
            )
            return
        if value is None:
            source = next((one for one in re.findall(r"\$\{?(\w+)", raw)), name)
            self._leave(
                line,
                f"build argument {name}: {source} is known only when the script runs",
                f"services.{self._service}.buildArgs.{name}, or environments.<name>.buildArgs",
            )
            self._draft.todo(
                own, f"buildArgs.{name}: its value comes from {self._script.name}'s environment (line {line})"
            )
            return
        self._draft.put((*own, "buildArgs", name), value, f"{self._script.name}:{line}")
        if name not in self._done.taken:
            self._done.taken.append(name)

    def _leftovers(self) -> None:
        """Tell every other variable once: what it may be for, or that it has no place."""
        told = {*self._used, *self._done.taken}
        for one in self._script.variables:
            # Its words were read as those of a command; what holds the commit has a place in buildArgs.
            silent = one.why == LIST or one.value in {"", COMMIT, TAG} or bool(SHELL.search(one.name))
            # A credential from elsewhere is in .env now.
            silent = silent or (one.value is None and is_secret(one.name, "") and "run of" not in one.why)
            if one.name not in told and one.name.isupper() and not silent:
                self._leave(one.line, *_fate(one))
            told.add(one.name)
        for name in ("DEVOPS_REPO", "NAMESPACE", *APP):
            unread = next(
                (one for one in self._script.variables if one.name == name and one.value is None), None
            )
            if unread and self._script.first(name) is None:
                self._leave(unread.line, f"{name} could not be read: {unread.why}", "write it by hand")
        for line in self._script.faults:
            self._leave(line, "this line is no shell that could be read", "look at it yourself")


def _fate(one: Variable) -> tuple[str, str]:
    """Return what is said of a variable that went nowhere."""
    if one.value and is_secret(one.name, one.value):
        instead = "keep it in the CI's secrets; if a value of it was ever committed, rotate it"
        return f"{one.name} looks like a secret and was not taken over", instead
    if one.name in NO_PLACE:
        return one.name, NO_PLACE[one.name]
    if one.value is None:
        return f"{one.name} could not be read: {one.why}", "nothing was taken from it"
    setting = "a setting of the service goes to `env` in apps/<app>/values.yaml"
    return f"{one.name} has no place in slipway.yaml", setting


def _address(value: str) -> str:
    """Return a repository as an address; `owner/name` is GitHub's."""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", value):
        return f"https://github.com/{value.removesuffix('.git')}.git"
    return value
