"""Kubernetes Secrets that are made once: what is in them is somebody's, and stays.

Everything here is created by POST, never by apply, which would leave the values a second time in an
annotation. Additions carry the `resourceVersion` they were made for: who loses a race reads again
and adopts what the winner wrote (faults 51-53).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import string
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote as percent_encoded
from urllib.parse import unquote

from pydantic import SecretStr
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from slipway_host.config import Generated
from slipway_host.errors import ConflictError, NotFoundError, SettingsError, TransientError
from slipway_host.results import StageResult, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slipway_host.kube import Json, KubeClient
    from slipway_host.settings import DatabaseSettings, PostgresSettings, RegistrySettings, Target

T = TypeVar("T")

STAGE = "secrets"
URL = "DATABASE_URL"
MANAGED = {"app.kubernetes.io/managed-by": "slipway"}
PULL_TYPE = "kubernetes.io/dockerconfigjson"
PULL_KEY = ".dockerconfigjson"
PASSWORD = Generated(length=32)
"""Letters and digits: no client has to quote them, and 190 bits are enough."""
SHORTEST_GENERATED = 8
ATTEMPTS = 8

_ALPHABETS = {
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "base64url": string.ascii_letters + string.digits + "-_",
}
# As libpq reads it: `#` and `?` in a password need no encoding there, `/` and `@` do.
_POSTGRES_URL = re.compile(
    r"postgres(?:ql)?://(?P<role>[^:@/]+):(?P<password>[^@/]+)@[^/?#]+/(?P<database>[^?#]+)(?:\?.*)?"
)
# What kubelets and Docker call Docker Hub.
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


class _RaceLostError(TransientError):
    """Somebody else wrote between our look and our write: look again."""


async def _until_settled(act: Callable[[], Awaitable[T]]) -> T:
    """Look and act until nobody comes between; a lost connection is settled by the next look."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        reraise=True,
    )
    return await retrying(act)


async def _create(kube: KubeClient, path: str, body: Json) -> None:
    try:
        await kube.create(path, body)
    except ConflictError as error:
        raise _RaceLostError(error.cause) from error


async def _add(kube: KubeClient, path: str, secret: Json, data: Mapping[str, str]) -> None:
    version = secret["metadata"]["resourceVersion"]
    try:
        await kube.patch(path, {"metadata": {"resourceVersion": version}, "data": dict(data)})
    except (ConflictError, NotFoundError) as error:
        raise _RaceLostError(error.cause) from error


async def ensure_namespace(kube: KubeClient, name: str, *, labels: Mapping[str, str]) -> bool:
    """Create the namespace unless it is there, and return whether it was created.

    One that is there keeps its labels as they are.

    Raises:
        ConflictError: the namespace is being deleted: what is created in it now would go as well.
    """

    async def once() -> bool:
        found = await kube.find(f"/api/v1/namespaces/{name}")
        if found is None:
            metadata = {"name": name, "labels": {**MANAGED, **labels}}
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            await _create(kube, "/api/v1/namespaces", body)
            return True
        if found.get("status", {}).get("phase") == "Terminating":
            raise ConflictError(
                f"namespace {name} is being deleted (Terminating): wait until it is gone",
                stage=STAGE,
                next_command=f"kubectl wait --for=delete namespace/{name} --timeout=5m",
            )
        return False

    return await _until_settled(once)


def _check_given(values: Mapping[str, SecretStr]) -> None:
    for name, value in values.items():
        text = value.get_secret_value()
        # CI systems hand over an empty string for a secret that is not set, and `echo` adds a
        # newline that only a 401 much later would tell of (fault 11).
        if not text.strip():
            raise SettingsError(f"the value given for {name} is empty", stage=STAGE)
        if text.endswith(("\n", "\r")):
            raise SettingsError(
                f"the value given for {name} ends with a line break: store it without one",
                stage=STAGE,
            )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(secret: Json) -> dict[str, str]:
    """Return a Secret's values; bytes that are no text, which nobody here asks for, as escapes."""
    data = secret.get("data") or {}
    return {k: base64.b64decode(v).decode(errors="backslashreplace") for k, v in data.items()}


def _untouchable(secret: Json, expected_type: str) -> str:
    """Return why a Secret is not ours to add to, empty if it is (fault 56)."""
    metadata = secret["metadata"]
    if metadata.get("deletionTimestamp"):
        return "is being deleted"
    if secret.get("immutable"):
        return "is immutable"
    owners = [f"{o['kind']} {o['name']}" for o in metadata.get("ownerReferences") or ()]
    if owners:
        return f"belongs to {', '.join(owners)}, which would undo it"
    if secret.get("type", "Opaque") != expected_type:
        return f"has type {secret['type']} instead of {expected_type}"
    return ""


def _show(namespace: str, name: str) -> str:
    return f"kubectl --namespace {namespace} describe secret {name}"


async def ensure_pull_secret(
    kube: KubeClient, namespace: str, name: str, registry: RegistrySettings
) -> Status:
    """Make the Secret that kubelets pull with say this account for this registry (R33).

    It is written only where the parsed credentials differ; other hosts and other keys stay.

    Raises:
        SettingsError: the account's name or password is empty or ends with a line break.
        ConflictError: the Secret has to change and is not ours to change.
    """
    _check_given(
        {
            "the registry's user name": SecretStr(registry.username),
            "its password": registry.password,
        }
    )
    path = f"/api/v1/namespaces/{namespace}/secrets"
    where = f"Secret {name} in namespace {namespace}"
    host = "https://index.docker.io/v1/" if registry.host in _DOCKER_HUB else registry.host
    wanted = (registry.username, registry.password.get_secret_value())
    entry = {
        "username": wanted[0],
        "password": wanted[1],
        "auth": _encoded(":".join(wanted)),
    }

    async def once() -> Status:
        found = await kube.find(f"{path}/{name}")
        if found is None:
            data = {PULL_KEY: _encoded(json.dumps({"auths": {host: entry}}))}
            await _create(kube, path, _secret(namespace, name, PULL_TYPE, data, MANAGED))
            return Status.SUCCEEDED
        document = _pull_document(found, where)
        if _account(document["auths"].get(host)) == wanted:
            return Status.SKIPPED
        reason = _untouchable(found, PULL_TYPE)
        if reason:
            raise ConflictError(
                f"{where} lacks the account for {registry.host}, but it {reason}",
                stage=STAGE,
                next_command=_show(namespace, name),
            )
        document["auths"][host] = entry
        await _add(kube, f"{path}/{name}", found, {PULL_KEY: _encoded(json.dumps(document))})
        return Status.SUCCEEDED

    return await _until_settled(once)


def _secret(namespace: str, name: str, kind: str, data: Mapping[str, str], labels: Mapping[str, str]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "type": kind,
        "data": dict(data),
    }


def _pull_document(secret: Json, where: str) -> dict[str, Any]:
    text = _decoded(secret).get(PULL_KEY, "{}")
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


def generate(recipe: Generated) -> str:
    """Return a random value by a recipe."""
    return "".join(secrets.choice(_ALPHABETS[recipe.alphabet]) for _ in range(recipe.length))


def database_url(settings: DatabaseSettings, postgres: PostgresSettings, password: str) -> str:
    """Return the connection URL that a service gets."""
    account = f"{percent_encoded(settings.role, safe='')}:{percent_encoded(password, safe='')}"
    address = f"{postgres.host}:{postgres.port}"
    return f"postgresql://{account}@{address}/{percent_encoded(settings.name, safe='')}"


def _password_in(url: str, settings: DatabaseSettings, where: str, next_command: str) -> SecretStr:
    """Return the role's password from a DATABASE_URL that fits the settings."""
    found = _POSTGRES_URL.fullmatch(url)
    if found is None:
        raise ConflictError(
            f"{where}: {URL} is not of the form postgresql://role:password@host:port/database, "
            "with the password percent-encoded",
            stage=STAGE,
            next_command=next_command,
        )
    pairs = (("role", settings.role), ("database", settings.name))
    different = [part for part, wanted in pairs if unquote(found[part]) != wanted]
    if different:
        raise ConflictError(
            f"{where}: the {' and the '.join(different)} in {URL} differ from the settings "
            f"(role {settings.role}, database {settings.name}): set `database` in slipway.yaml",
            stage=STAGE,
            next_command=next_command,
        )
    return SecretStr(unquote(found["password"]))


async def ensure_app_secret(
    kube: KubeClient,
    target: Target,
    postgres: PostgresSettings,
    *,
    role_exists: Callable[[], Awaitable[bool]],
) -> tuple[StageResult, SecretStr | None]:
    """Make a service's Secret complete, and return the database password that it holds (R10).

    Absent keys are added; a byte that is there is never changed, so a JWT secret survives every
    re-run. A given value that differs from the stored one is left out as well, and named in the
    outputs: rotation is a step of its own.

    The Secret is written before the role is: killed between the two, the next run reads the
    password back and creates the role with it. The other order would leave a role whose password
    nobody has.

    Raises:
        SettingsError: a given value is empty or ends with a line break; nothing was touched.
        ConflictError: something there is unusable, not ours, or does not fit the settings.
    """
    settings = target.secrets
    _check_given(settings.given)
    if target.database and URL in {*settings.given, *settings.generate}:
        raise SettingsError(
            f"{URL} is composed for a service with a database: neither generate nor give it",
            stage=STAGE,
        )
    steps = _AppSecret(kube, target, postgres, role_exists)
    return await _until_settled(steps.once)


class _AppSecret:
    """One service's Secret: a look and, where something is missing, a write."""

    def __init__(
        self,
        kube: KubeClient,
        target: Target,
        postgres: PostgresSettings,
        role_exists: Callable[[], Awaitable[bool]],
    ) -> None:
        self._kube = kube
        self._target = target
        self._postgres = postgres
        self._role_exists = role_exists
        self._name = target.secrets.name
        self._collection = f"/api/v1/namespaces/{target.namespace}/secrets"
        self._where = f"Secret {self._name} in namespace {target.namespace}"
        self._show = _show(target.namespace, self._name)

    async def once(self) -> tuple[StageResult, SecretStr | None]:
        found = await self._kube.find(f"{self._collection}/{self._name}")
        values = _decoded(found) if found else {}
        self._check_present(values)
        missing = [key for key in self._wanted() if key not in values]
        if found and missing:
            self._check_ours(found, missing)
        if URL in missing and self._target.database:
            await self._check_role(self._target.database.role)
        added = {key: self._value(key) for key in missing}
        password = self._password({**values, **added})
        data = {key: _encoded(value) for key, value in added.items()}
        if found is None:
            labels = {**MANAGED, "app.kubernetes.io/part-of": self._target.app}
            body = _secret(self._target.namespace, self._name, "Opaque", data, labels)
            await _create(self._kube, self._collection, body)
        elif missing:
            await _add(self._kube, f"{self._collection}/{self._name}", found, data)
        return self._result(values, missing, created=found is None), password

    def _wanted(self) -> list[str]:
        settings = self._target.secrets
        keys = [URL] if self._target.database else []
        return [*keys, *sorted({*settings.generate, *settings.given})]

    def _value(self, key: str) -> str:
        settings, database = self._target.secrets, self._target.database
        if key == URL and database:
            return database_url(database, self._postgres, generate(PASSWORD))
        if key in settings.given:
            return settings.given[key].get_secret_value()
        return generate(settings.generate[key])

    def _password(self, values: Mapping[str, str]) -> SecretStr | None:
        if self._target.database is None:
            return None
        return _password_in(values[URL], self._target.database, self._where, self._show)

    def _check_present(self, values: Mapping[str, str]) -> None:
        """Raise where a value that is there cannot be meant (fault 54)."""
        for key in self._wanted():
            if key not in values:
                continue
            value = values[key]
            generated = key in self._target.secrets.generate
            problem = ""
            if not value.strip():
                problem = "is empty"
            elif value.strip() == "-":
                problem = "is a mere `-`"
            elif generated and len(value) < SHORTEST_GENERATED:
                problem = f"has fewer than {SHORTEST_GENERATED} characters"
            if problem:
                raise ConflictError(
                    f"{self._where}: {key} {problem}; it is never overwritten: correct it, or remove "
                    "the key and deploy again",
                    stage=STAGE,
                    next_command=f"kubectl --namespace {self._target.namespace} edit secret {self._name}",
                )

    def _check_ours(self, found: Json, missing: list[str]) -> None:
        reason = _untouchable(found, "Opaque")
        if reason:
            raise ConflictError(
                f"{self._where} lacks {', '.join(missing)}, and nothing was added: it {reason}",
                stage=STAGE,
                next_command=self._show,
            )

    async def _check_role(self, role: str) -> None:
        """Raise if the role is there and its password is lost (fault 39)."""
        if not await self._role_exists():
            return
        # Another run writes its Secret first and its role second: a role may be here because a
        # Secret has come since we looked.
        again = await self._kube.find(f"{self._collection}/{self._name}")
        if again and URL in (again.get("data") or {}):
            raise _RaceLostError(f"{self._where} was written meanwhile")
        raise ConflictError(
            f"role {role} exists, but {self._where} has no {URL}: its password is lost; restore "
            f"the key, or, if nothing uses the role, set a new password and store it as {URL}",
            stage=STAGE,
            next_command=f"psql -c '\\password {role}'",
        )

    def _result(self, values: Mapping[str, str], added: list[str], *, created: bool) -> StageResult:
        given = self._target.secrets.given
        differs = sorted(
            key for key in given if key in values and values[key] != given[key].get_secret_value()
        )
        acted = created or bool(added)
        done = "created" if created else f"added {', '.join(added)}" if added else "in place"
        note = f"; left as stored, not as given: {', '.join(differs)}" if differs else ""
        return StageResult(
            stage=STAGE,
            status=Status.SUCCEEDED if acted else Status.SKIPPED,
            summary=f"{self._where}: {done}{note}",
            outputs={
                "secret": self._name,
                "created": created,
                "added": added,
                "kept": sorted(values),
                "differs": differs,
            },
        )
