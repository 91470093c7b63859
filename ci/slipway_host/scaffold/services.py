"""Which folders of a repository are services, and what is known of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError
from slipway_host.names import DNS_LABEL
from slipway_host.scaffold import code
from slipway_host.scaffold.stacks import Stack, stack_of
from slipway_host.scaffold.tree import Tree, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway_host.scaffold.draft import Draft

MARKS = ("go.mod", "package.json", "pyproject.toml", "requirements.txt", "setup.py", "Dockerfile")
DEPTH = 2
"""Folders below the root in which a service may be: services/api."""
DATABASES = re.compile(
    r"jackc/pgx|lib/pq|gorm\.io/driver/postgres|^(psycopg\w*|asyncpg|pg|postgres|prisma|@prisma/client|typeorm|sequelize)$"
)
POSTGRES_TEST = "docker.io/library/postgres:17"
DEFAULT_PORT, DEFAULT_HEALTH = 4000, "/health"


@dataclass(frozen=True, kw_only=True)
class Found:
    """One service of the repository.

    Args:
        name: key in `slipway.yaml`.
        folder: its folder, `.` for the repository's root.
        stack: what it is made of; None where only a Dockerfile says that it is a service.
        dockerfile: path of its Dockerfile, None where there is none.
    """

    name: str
    folder: str
    stack: Stack | None
    dockerfile: str | None


def find(tree: Tree, name: str) -> list[Found]:
    """Return the services of a repository: its root, or else the folders that look like one.

    Args:
        tree: the repository.
        name: the repository's name, which its services' names begin with.

    Raises:
        SettingsError: nothing looks like a service.
    """
    folders = (
        ["."] if _is_service(tree, ".") else [folder for folder in _below(tree) if _is_service(tree, folder)]
    )
    if not folders:
        raise SettingsError(
            f"nothing here looks like a service: no folder has {', '.join(MARKS[:-1])} or {MARKS[-1]}",
            next_command="add the service's code first, then run the same command",
        )
    return [
        Found(
            name=_named(name, folder),
            folder=folder,
            stack=stack_of(tree, folder),
            dockerfile=code.dockerfile_of(tree, folder),
        )
        for folder in folders
    ]


def _below(tree: Tree) -> Iterator[str]:
    folders = sorted(
        {path.rpartition("/")[0] for path in tree.paths if path.rpartition("/")[2] in MARKS} - {""}
    )
    taken: list[str] = []
    for folder in folders:
        # A package below a service is a part of it.
        if folder.count("/") < DEPTH and not any(folder.startswith(f"{one}/") for one in taken):
            taken.append(folder)
            yield folder


def _is_service(tree: Tree, folder: str) -> bool:
    if code.dockerfile_of(tree, folder):
        return True
    stack = stack_of(tree, folder)
    if stack is None:
        return False
    workspace = tree.has(join(folder, "pnpm-workspace.yaml")) or '"workspaces"' in (
        tree.text(join(folder, "package.json")) or ""
    )
    # A library has nothing to start, and a workspace is a folder of services.
    return not workspace and not (
        folder != "." and stack.missing.startswith(("no package main", "package.json has neither"))
    )


def _named(name: str, folder: str) -> str:
    """Return a service's name: Argo CD and the registry hold those of all repositories."""
    if folder == ".":
        return label(name)
    last = folder.rpartition("/")[2]
    return label(last if last.startswith(name) else f"{name}-{last}")


def label(name: str) -> str:
    """Return a name as Kubernetes takes it.

    Raises:
        SettingsError: nothing is left of it.
    """
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
    if not DNS_LABEL.fullmatch(found):
        raise SettingsError(f"{name[:80]!r} gives no name for a service", next_command="name it with --name")
    return found


def describe(tree: Tree, found: Found, draft: Draft) -> list[str]:
    """Put what is known of a service into a draft, and return it as sentences with their evidence."""
    own, said = ("services", found.name), []
    stack, folder = found.stack, found.folder
    draft.put(own, {})
    if folder != ".":
        draft.put((*own, "context"), folder)
    if stack:
        said.append(f"{stack.name} ({stack.evidence})")
    said.append(f"Dockerfile ({found.dockerfile})" if found.dockerfile else "no Dockerfile")
    said += [*_endpoint(tree, found, draft), *_test(tree, found, draft)]
    said += _furniture(tree, found, draft)
    return said


def _endpoint(tree: Tree, found: Found, draft: Draft) -> list[str]:
    own, said = ("services", found.name), []
    path = code.health(tree, found.folder)
    asked, listens = draft.get(*own, "health", "path"), draft.get(*own, "health", "port")
    if asked:
        said.append(f"health {asked} (as the script says)")
    elif path is None:
        draft.todo(
            own,
            f"health.path: no health endpoint was found; {DEFAULT_HEALTH} has to answer 2xx",
        )
        said.append(f"no health endpoint found: {DEFAULT_HEALTH} is asked for")
    else:
        if path.value != DEFAULT_HEALTH:
            draft.put((*own, "health", "path"), path.value, path.where)
        said.append(f"health {path.value} ({path.where})")
    port = code.port(tree, found.folder, found.dockerfile) or (found.stack.port if found.stack else None)
    if listens:
        said.append(f"port {listens} (as the script says)")
    elif port is None:
        draft.todo(
            own, f"health.port: nothing names a port; {DEFAULT_PORT} is taken, and pods get it as PORT"
        )
        said.append(f"no port found: {DEFAULT_PORT} is taken")
    else:
        if int(port.value) != DEFAULT_PORT:
            draft.put((*own, "health", "port"), int(port.value), port.where)
        said.append(f"port {port.value} ({port.where})")
    return said


def _test(tree: Tree, found: Found, draft: Draft) -> list[str]:
    own, stack = ("services", found.name, "test"), found.stack
    if stack is None or stack.test is None:
        draft.todo(("services", found.name), "test: no tests were found; image and command of yours go here")
        return ["no tests found"]
    draft.put((*own, "image"), stack.image)
    draft.put((*own, "command"), stack.test.value, stack.test.where)
    draft.put((*own, "caches"), list(stack.caches))
    asked = tree.first(re.compile(r"\b(TEST_DATABASE_URL)\b"), tree.below(found.folder, code.SOURCES))
    if asked:
        draft.put((*own, "postgres"), POSTGRES_TEST, f"{asked.where} asks for TEST_DATABASE_URL")
    return [f"tests `{stack.test.value}` ({stack.test.where})"]


def _furniture(tree: Tree, found: Found, draft: Draft) -> list[str]:
    """Database, secrets, and what is baked into a frontend."""
    own, said = ("services", found.name), []
    reads = {fact.value: fact for fact in code.reads(tree, found.folder)}
    library = (
        next((name for name in sorted(found.stack.packages) if DATABASES.search(name)), "")
        if found.stack
        else ""
    )
    if "DATABASE_URL" in reads:
        where = f"{reads['DATABASE_URL'].where} reads DATABASE_URL"
        if draft.get(*own, "database") is None:
            draft.put((*own, "database"), {}, where)
        said.append(f"a database ({where})")
    elif library and draft.get(*own, "database") is None:
        draft.todo(
            own,
            f"database: {library} is used, and nothing reads DATABASE_URL; `database: {{}}` makes one",
        )
    if "JWT_SECRET" in reads:
        draft.put((*own, "secrets", "generate", "JWT_SECRET"), {}, f"{reads['JWT_SECRET'].where} reads it")
        said.append(f"a random JWT_SECRET, made once ({reads['JWT_SECRET'].where})")
    known = {"DATABASE_URL", "TEST_DATABASE_URL", "JWT_SECRET", *(draft.get(*own, "secrets", "given") or ())}
    known |= set(draft.get(*own, "secrets", "generate") or ())
    for name, fact in reads.items():
        if code.is_secret(name) and name not in known:
            draft.todo(
                own,
                f"secrets: {fact.where} reads {name}; secrets.given or secrets.generate, if pods need it",
            )
    for fact in code.baked(tree, found.folder, found.dockerfile):
        if draft.get(*own, "buildArgs", fact.value) is None:
            draft.todo(
                own,
                f"buildArgs.{fact.value}: {fact.where} builds it in; one value, or one for each environment",
            )
    return said
