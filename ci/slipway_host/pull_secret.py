"""The Secret that kubelets pull images with (R33)."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import SecretStr

from slipway_host.creation import MANAGED, STAGE, add, create, until_settled
from slipway_host.errors import ConflictError, MovedError
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


Action = Literal["create", "change", "keep"]
CREATE: Final = "create"
CHANGE: Final = "change"
KEEP: Final = "keep"


async def ensure_pull_secret(
    kube: KubeClient,
    namespace: str,
    name: str,
    registry: RegistrySettings,
    *,
    allowed: frozenset[str] = frozenset({CREATE, CHANGE}),
) -> Status:
    """Make the Secret that kubelets pull with say this account for this registry (R33).

    It is written only where the parsed credentials differ; other hosts and other keys stay. `allowed`
    says whether it may be created, and whether it may be changed.

    Raises:
        SettingsError: the account's name or password is empty or ends with a line break.
        ConflictError: the Secret has to change and is not ours to change.
        MovedError: something has to be done that is not allowed.
    """
    steps = _PullSecret(kube, namespace, name, registry)

    async def once() -> Status:
        action, found, data = await steps.decide()
        if action == KEEP:
            return Status.SKIPPED
        if action not in allowed:
            raise MovedError(f"{steps.where}: to {action} it is not in the plan", stage=STAGE)
        if found is None:
            await create(kube, steps.path, new_secret(namespace, name, PULL_TYPE, data, MANAGED))
        else:
            await add(kube, f"{steps.path}/{name}", found, data)
        return Status.SUCCEEDED

    return await until_settled(once)


async def preview(kube: KubeClient, namespace: str, name: str, registry: RegistrySettings) -> Action:
    """Return what `ensure_pull_secret` would do now: create, change or keep; nothing is written."""
    steps = _PullSecret(kube, namespace, name, registry)
    return (await until_settled(steps.decide))[0]


class _PullSecret:
    """One look at the Secret, and what follows from it."""

    def __init__(self, kube: KubeClient, namespace: str, name: str, registry: RegistrySettings) -> None:
        check_given(
            {
                "the registry's user name": SecretStr(registry.username),
                "its password": registry.password,
            }
        )
        self.path = f"/api/v1/namespaces/{namespace}/secrets"
        self.where = f"Secret {name} in namespace {namespace}"
        self._kube, self._namespace, self._name, self._registry = kube, namespace, name, registry

    async def decide(self) -> tuple[Action, Json | None, dict[str, str]]:
        """Return what to do, the Secret as it is, and the data to write."""
        registry, host = self._registry, _host_key(self._registry.host)
        wanted = (registry.username, registry.password.get_secret_value())
        entry = {"username": wanted[0], "password": wanted[1], "auth": encoded(":".join(wanted))}
        found = await self._kube.find(f"{self.path}/{self._name}")
        if found is None:
            return CREATE, None, {PULL_KEY: encoded(json.dumps({"auths": {host: entry}}))}
        document = _pull_document(found, self.where)
        if _account(document["auths"].get(host)) == wanted:
            return KEEP, found, {}
        reason = untouchable(found, PULL_TYPE)
        if reason:
            raise ConflictError(
                f"{self.where} lacks the account for {registry.host}, but it {reason}",
                stage=STAGE,
                next_command=show(self._namespace, self._name),
            )
        document["auths"][host] = entry
        return CHANGE, found, {PULL_KEY: encoded(json.dumps(document))}


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
