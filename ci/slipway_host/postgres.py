"""SQL in the cluster's PostgreSQL, by the psql that its own pod has.

Nothing has to be installed, forwarded or opened: whoever may exec into the pod may set them up.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    TransientError,
    quote,
)
from slipway_host.kube_exec import ExecResult

if TYPE_CHECKING:
    from pydantic import SecretStr

    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.settings import PostgresSettings

FIXED_DATABASE = "postgres"
"""Where cluster-wide work is done: advisory locks hold in one database only (fault 34)."""
PASSWORD_KEYS = ("admin-user-password", "postgres-password")

# The password comes first and by a builtin, so that neither argv nor the shell's history has it.
_SCRIPT = (
    "IFS= read -r PGPASSWORD; export PGPASSWORD; export PGCONNECT_TIMEOUT=10 PGAPPNAME=slipway; "
    'exec psql "$@"'
)
# -w: a prompt would wait for ever. ON_ERROR_STOP: psql exits 0 after errors without it (fault 37).
# Verbose: the SQLSTATE is the only part of an error that no locale translates.
_PSQL = ("-X", "-w", "-qAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose")

_ERROR = re.compile(r"^(?:psql:[^\n]*?: )?\w+: +([0-9A-Z]{5}): (.*)$", re.MULTILINE)
_WRONG_PASSWORD = re.compile(r"password authentication failed|no password supplied")
_REFUSED = re.compile(r"pg_hba\.conf|not permitted to log in|role .* does not exist|authentication failed")
_NO_DATABASE_ACCESS = re.compile(r"permission denied for database")

# Classes of SQLSTATE: notices and warnings come before the error, in a word that locales translate.
_NO_ERRORS = frozenset({"00", "01", "02"})
_DENIED = frozenset({"28P01", "28000", "42501"})
_UNAVAILABLE = frozenset({"57P03", "53300", "57P01"})
# 23505, 42710 and 42P04 are what "create if absent" says after losing a race (fault 34).
_RACES = frozenset({"23505", "40001", "40P01", "42710", "42P04", "55006"})
LOCK_TIMEOUT = "55P03"

Shell = Callable[[Sequence[str], str], Awaitable[ExecResult]]
"""Runs a command where psql is, with this standard input."""


class SqlRunner(Protocol):
    """Who can run SQL as the server's administrator."""

    async def run(self, sql: str, *, database: str) -> str:
        """Return what a script of SQL and psql commands printed: unaligned rows, no headings."""

    async def accepts(self, role: str, password: SecretStr) -> bool:
        """Return whether this is the role's password."""


class Psql:
    """Runs SQL through psql, over any shell that reaches the server.

    Args:
        shell: where psql runs.
        user: the administrator.
        password: the administrator's.
        login_host: address for trying out a role's password. Not loopback: the official image
            trusts everybody who comes from there, and any password would seem to be the right one.
        port: of the server, at `login_host`.
    """

    def __init__(self, shell: Shell, *, user: str, password: SecretStr, login_host: str, port: int) -> None:
        self._shell = shell
        self._user = user
        self._password = password
        self._login_host = login_host
        self._port = port

    async def run(self, sql: str, *, database: str) -> str:
        """Run a script in one session and return what it printed.

        Raises:
            TransientError: a race was lost or the server is busy: run it again.
            AccessDeniedError: the server does not let the administrator in, or not do this.
        """
        command = ("-U", self._user, "-d", database)
        result = await self._psql(command, self._password, sql)
        if result.exit_code:
            raise _failed(result, f"role {self._user}, database {database}")
        return result.stdout.strip()

    async def accepts(self, role: str, password: SecretStr) -> bool:
        """Log in as the role over TCP and return whether the server took the password."""
        address = ("-h", self._login_host, "-p", str(self._port))
        command = (*address, "-U", role, "-d", FIXED_DATABASE)
        result = await self._psql(command, password, "SELECT 1;")
        # Who may not use this database has passed authentication.
        if not result.exit_code or _NO_DATABASE_ACCESS.search(result.stderr):
            return True
        if _WRONG_PASSWORD.search(result.stderr):
            return False
        raise _failed(result, f"role {role}, database {FIXED_DATABASE}")

    async def _psql(self, arguments: Sequence[str], password: SecretStr, sql: str) -> ExecResult:
        secret = password.get_secret_value()
        if "\n" in secret or "\0" in secret:
            raise SettingsError("a PostgreSQL password holds a line break: store it without one")
        # \q: a container's stdin may never reach its end (`KubeClient.exec`).
        stdin = f"{secret}\n{sql}\n\\q\n"
        return await self._shell(("sh", "-c", _SCRIPT, "psql", *_PSQL, *arguments), stdin)


def _failed(result: ExecResult, who: str) -> DeliveryError:
    """Return the error of a psql that failed; the server's message is quoted, never its query."""
    said = [(found[1], found[2]) for found in _ERROR.finditer(result.stderr)]
    errors = [(state, message) for state, message in said if state[:2] not in _NO_ERRORS]
    if not errors:
        return _not_connected(result, who)
    state, message = errors[0]
    cause = f"PostgreSQL ({who}): {quote(message)} (SQLSTATE {state})"
    if state in _DENIED:
        return AccessDeniedError(cause)
    if state == LOCK_TIMEOUT:
        return DeadlineError(cause)
    if state in _UNAVAILABLE:
        return ServiceUnavailableError(cause)
    if state in _RACES or (state == "XX000" and "concurrently" in message):
        return TransientError(cause)
    return TerminalError(cause)


def _not_connected(result: ExecResult, who: str) -> DeliveryError:
    # psql has no SQLSTATE for a session that never began: words it is, and they may be translated.
    message = quote(result.stderr) or f"psql ended with exit code {result.exit_code}"
    cause = f"PostgreSQL ({who}): {message}"
    if result.exit_code in {126, 127}:
        return NotFoundError(f"the PostgreSQL container has no psql: {message}")
    if _WRONG_PASSWORD.search(result.stderr) or _REFUSED.search(result.stderr):
        return AccessDeniedError(cause)
    return ServiceUnavailableError(cause)


async def connect(kube: KubeClient, settings: PostgresSettings, *, deadline_s: float) -> Psql:
    """Return a way to run SQL on the primary; each script may take `deadline_s` seconds.

    Raises:
        NotFoundError: no pod matches, none is ready, or all are standbys (fault 46).
        ConflictError: several primaries match: that is several servers.
    """
    pods = await _ready_pods(kube, settings)
    password = await _admin_password(kube, settings)
    primaries: dict[str, Psql] = {}
    failures: list[DeliveryError] = []
    for pod in pods:
        name = pod["metadata"]["name"]
        shell = partial(_in_pod, kube, settings, name, deadline_s)
        sql = Psql(
            shell,
            user=settings.admin_user,
            password=password,
            login_host=pod["status"]["podIP"],
            # The Service's port may differ; the container's own is what counts inside the pod.
            port=_container_port(pod, settings),
        )
        try:
            standby = await sql.run("SELECT pg_is_in_recovery();", database=FIXED_DATABASE)
        except DeliveryError as error:
            failures.append(error)
            continue
        if standby == "f":
            primaries[name] = sql
    if len(primaries) > 1:
        raise ConflictError(
            f"{len(primaries)} PostgreSQL primaries match {settings.selector} in namespace "
            f"{settings.namespace}: {', '.join(sorted(primaries))}; narrow postgres.selector",
            next_command=_show(settings) + " --show-labels",
        )
    if primaries:
        return next(iter(primaries.values()))
    if failures:
        raise failures[0]
    raise NotFoundError(
        f"every PostgreSQL pod that matches {settings.selector} in namespace {settings.namespace} "
        "is a standby",
        next_command=_show(settings),
    )


def _show(settings: PostgresSettings) -> str:
    return f"kubectl --namespace {settings.namespace} get pods --selector {settings.selector}"


async def _in_pod(
    kube: KubeClient,
    settings: PostgresSettings,
    pod: str,
    deadline_s: float,
    command: Sequence[str],
    stdin: str,
) -> ExecResult:
    return await kube.exec(
        settings.namespace, pod, settings.container, command, stdin=stdin, deadline_s=deadline_s
    )


async def _ready_pods(kube: KubeClient, settings: PostgresSettings) -> list[Json]:
    path = f"/api/v1/namespaces/{settings.namespace}/pods"
    pods = await kube.list(path, selector=settings.selector)
    if not pods:
        raise NotFoundError(
            f"no PostgreSQL pod matches {settings.selector} in namespace {settings.namespace}",
            next_command=_show(settings),
        )
    ready = [pod for pod in pods if _is_ready(pod)]
    if not ready:
        raise NotFoundError(
            f"none of {len(pods)} PostgreSQL pods in namespace {settings.namespace} is ready",
            next_command=_show(settings),
        )
    usable = [pod for pod in ready if settings.container in _containers(pod)]
    if not usable:
        raise NotFoundError(
            f"PostgreSQL pod {ready[0]['metadata']['name']} has no container "
            f"{settings.container}: set postgres.container to one of "
            f"{', '.join(_containers(ready[0]))}",
            next_command=_show(settings),
        )
    return usable


def _is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _containers(pod: Json) -> list[str]:
    return [container["name"] for container in pod["spec"]["containers"]]


def _container_port(pod: Json, settings: PostgresSettings) -> int:
    for container in pod["spec"]["containers"]:
        if container["name"] == settings.container:
            for port in container.get("ports") or ():
                # An exporter in the same container is not what psql should talk to.
                if port.get("name") in {None, "postgresql", "tcp-postgresql", "postgres"}:
                    return int(port["containerPort"])
    return settings.port


async def _admin_password(kube: KubeClient, settings: PostgresSettings) -> SecretStr:
    """Return the given password, else the one in the cluster's own Secret (R34)."""
    from pydantic import SecretStr

    if settings.admin_password is not None:
        if not settings.admin_password.get_secret_value().strip():
            # CI systems hand over an empty string for a secret that is not set (fault 11).
            raise SettingsError("the PostgreSQL administrator's password is given and empty")
        return settings.admin_password
    where = f"Secret {settings.secret} in namespace {settings.namespace}"
    secret = await kube.find(f"/api/v1/namespaces/{settings.namespace}/secrets/{settings.secret}")
    if secret is None:
        raise NotFoundError(
            f"no PostgreSQL administrator's password: none was given, and there is no {where}",
            next_command=f"kubectl --namespace {settings.namespace} get secrets",
        )
    data = secret.get("data") or {}
    for key in PASSWORD_KEYS:
        if data.get(key):
            try:
                return SecretStr(base64.b64decode(data[key], validate=True).decode())
            except (binascii.Error, UnicodeDecodeError):
                # Not chained: the exception holds the password's bytes.
                raise SettingsError(f"{where}: key {key} is not text") from None
    raise NotFoundError(
        f"{where} has none of the keys {', '.join(PASSWORD_KEYS)}; it has "
        f"{', '.join(sorted(data)) or 'no keys'}"
    )
