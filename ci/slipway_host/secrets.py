"""A service's Secret, made once: what is in it is somebody's, and stays."""

from __future__ import annotations

import re
import secrets
import string
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encoded
from urllib.parse import unquote

from pydantic import SecretStr

from slipway_host.config import Generated
from slipway_host.creation import MANAGED, STAGE, RaceLostError, add, create, until_settled
from slipway_host.errors import ConflictError, SettingsError, UnknownOutcomeError
from slipway_host.results import StageResult, Status
from slipway_host.secret_data import (
    check_given,
    decoded,
    encoded,
    new_secret,
    show,
    untouchable,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.settings import DatabaseSettings, PostgresSettings, Target

URL = "DATABASE_URL"
PASSWORD = Generated(length=32)
"""Letters and digits: no client has to quote them, and 190 bits are enough."""
SHORTEST_GENERATED = 8
_ALPHABETS = {
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "base64url": string.ascii_letters + string.digits + "-_",
}
# As libpq reads it: `#` and `?` in a password need no encoding there, `/` and `@` do.
_POSTGRES_URL = re.compile(
    r"postgres(?:ql)?://(?P<role>[^:@/]+):(?P<password>[^@/]+)@[^/?#]+/(?P<database>[^?#]+)(?:\?.*)?"
)


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
    check_given(settings.given)
    if target.database and URL in {*settings.given, *settings.generate}:
        raise SettingsError(
            f"{URL} is composed for a service with a database: neither generate nor give it",
            stage=STAGE,
        )
    steps = _AppSecret(kube, target, postgres, role_exists)
    return await until_settled(steps.once)


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
        # What a write without an answer may have added, and to nothing or to a Secret.
        self._unanswered: dict[str, str] = {}
        self._creating = False
        self._name = target.secrets.name
        self._collection = f"/api/v1/namespaces/{target.namespace}/secrets"
        self._where = f"Secret {self._name} in namespace {target.namespace}"
        self._show = show(target.namespace, self._name)

    async def once(self) -> tuple[StageResult, SecretStr | None]:
        if not self._wanted():
            # Nothing to keep: an empty Secret would only raise questions.
            return StageResult(stage=STAGE, status=Status.SKIPPED, summary="no Secret is configured"), None
        found = await self._kube.find(f"{self._collection}/{self._name}")
        values = decoded(found) if found else {}
        self._check_present(values)
        missing = [key for key in self._wanted() if key not in values]
        landed = [key for key, value in self._unanswered.items() if values.get(key) == value]
        if found and missing:
            self._check_ours(found, missing)
        if URL in missing and self._target.database:
            await self._check_role(self._target.database.role)
        added = {key: self._value(key) for key in missing}
        password = self._password({**values, **added})
        if found is None or added:
            await self._write(found, added)
        created = found is None or bool(landed and self._creating)
        return self._result(values, [*landed, *missing], created=created), password

    async def _write(self, found: Json | None, added: Mapping[str, str]) -> None:
        data = {key: encoded(value) for key, value in added.items()}
        try:
            if found is None:
                labels = {**MANAGED, "app.kubernetes.io/part-of": self._target.app}
                body = new_secret(self._target.namespace, self._name, "Opaque", data, labels)
                await create(self._kube, self._collection, body)
            else:
                await add(self._kube, f"{self._collection}/{self._name}", found, data)
        except UnknownOutcomeError:
            self._unanswered, self._creating = dict(added), found is None
            raise

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
        reason = untouchable(found, "Opaque")
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
            raise RaceLostError(f"{self._where} was written meanwhile")
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
                "kept": sorted(values.keys() - set(added)),
                "differs": differs,
            },
        )
