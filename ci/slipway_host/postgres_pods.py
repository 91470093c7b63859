"""PostgreSQL in the cluster: which pod is the primary, and whose password opens it.

Whoever may exec into the pod may set up databases: nothing has to be forwarded or opened.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial
from typing import TYPE_CHECKING

from slipway_host.errors import ConflictError, DeliveryError, NotFoundError, SettingsError
from slipway_host.postgres import FIXED_DATABASE
from slipway_host.psql import Psql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import SecretStr

    from slipway_host.kube import KubeClient
    from slipway_host.kube_exec import ExecResult
    from slipway_host.kube_http import Json
    from slipway_host.settings import PostgresSettings

PASSWORD_KEYS = ("admin-user-password", "postgres-password")


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
            standby = await sql.value("SELECT pg_is_in_recovery()", database=FIXED_DATABASE)
        except DeliveryError as error:
            failures.append(error)
            continue
        if standby == "false":
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
