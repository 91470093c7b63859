"""The Secret that kubelets pull images with (R33)."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from slipway_host.creation import MANAGED, STAGE, add, create, until_settled
from slipway_host.errors import ConflictError
from slipway_host.results import Status
from slipway_host.secret_data import (
    check_given,
    decoded,
    encoded,
    new_secret,
    show,
    untouchable,
)

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.settings import RegistrySettings

PULL_TYPE = "kubernetes.io/dockerconfigjson"
PULL_KEY = ".dockerconfigjson"
# What kubelets and Docker call Docker Hub.
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


async def ensure_pull_secret(
    kube: KubeClient, namespace: str, name: str, registry: RegistrySettings
) -> Status:
    """Make the Secret that kubelets pull with say this account for this registry (R33).

    It is written only where the parsed credentials differ; other hosts and other keys stay.

    Raises:
        SettingsError: the account's name or password is empty or ends with a line break.
        ConflictError: the Secret has to change and is not ours to change.
    """
    check_given(
        {
            "the registry's user name": SecretStr(registry.username),
            "its password": registry.password,
        }
    )
    path = f"/api/v1/namespaces/{namespace}/secrets"
    where = f"Secret {name} in namespace {namespace}"
    host = _host_key(registry.host)
    wanted = (registry.username, registry.password.get_secret_value())
    entry = {
        "username": wanted[0],
        "password": wanted[1],
        "auth": encoded(":".join(wanted)),
    }

    async def once() -> Status:
        found = await kube.find(f"{path}/{name}")
        if found is None:
            data = {PULL_KEY: encoded(json.dumps({"auths": {host: entry}}))}
            await create(kube, path, new_secret(namespace, name, PULL_TYPE, data, MANAGED))
            return Status.SUCCEEDED
        document = _pull_document(found, where)
        if _account(document["auths"].get(host)) == wanted:
            return Status.SKIPPED
        reason = untouchable(found, PULL_TYPE)
        if reason:
            raise ConflictError(
                f"{where} lacks the account for {registry.host}, but it {reason}",
                stage=STAGE,
                next_command=show(namespace, name),
            )
        document["auths"][host] = entry
        await add(kube, f"{path}/{name}", found, {PULL_KEY: encoded(json.dumps(document))})
        return Status.SUCCEEDED

    return await until_settled(once)


def account(secret: Json, host: str) -> tuple[str, str] | None:
    """Return user name and password that a pull secret has for a registry; None where it has none."""
    try:
        return _account(_pull_document(secret, "")["auths"].get(_host_key(host)))
    except ConflictError:
        return None


def _host_key(host: str) -> str:
    return "https://index.docker.io/v1/" if host in _DOCKER_HUB else host


def _pull_document(secret: Json, where: str) -> dict[str, Any]:
    text = decoded(secret).get(PULL_KEY, "{}")
    try:
        document = json.loads(text)
        document.setdefault("auths", {}).keys()
    except (AttributeError, ValueError):
        # Not chained: the exception holds the whole document.
        raise ConflictError(f"{where}: {PULL_KEY} is not a Docker configuration", stage=STAGE) from None
    return dict(document)


def _account(entry: object) -> tuple[str, str] | None:
    """Return an entry's user name and password, in whichever of its two forms they are."""
    if not isinstance(entry, dict):
        return None
    if entry.get("username"):
        return str(entry["username"]), str(entry.get("password") or "")
    try:
        user, _, password = base64.b64decode(str(entry.get("auth") or "")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password
