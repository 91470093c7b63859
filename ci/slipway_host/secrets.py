"""A service's Secret, made once: what is in it is somebody's, and stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

from slipway_host.caller import command
from slipway_host.connection import URL, candidate, composed, database_url
from slipway_host.creation import MANAGED, STAGE, RaceLostError, add, create, until_settled
from slipway_host.errors import ConflictError, MovedError, UnknownOutcomeError
from slipway_host.generated import PASSWORD, generate
from slipway_host.results import StageResult, Status
from slipway_host.secret_checks import (
    check_brought,
    check_ours,
    check_present,
    check_settings,
    password_in,
    where,
)
from slipway_host.secret_data import check_given, decoded, encoded, new_secret, show

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.settings import PostgresSettings, Target

NEW = "new"
"""Origin of a database password that nobody has yet."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done to a service's Secret.

    Args:
        found: the Secret as it is, None where there is none.
        values: what it holds.
        has: keys that the service wants and that are there.
        missing: keys that are to be added.
        password: the database's.
        origin: where the password comes from, `new` or a key of the Secret; empty without a database.
        differs: keys that are left as stored, although something else is given or composed.
    """

    found: Json | None = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    has: tuple[str, ...]
    missing: tuple[str, ...]
    password: SecretStr | None
    origin: str
    differs: tuple[str, ...]

    @property
    def creates(self) -> bool:
        """Whether the Secret itself is to be made."""
        return self.found is None and bool(self.missing)


async def check_app_secret(kube: KubeClient, target: Target, postgres: PostgresSettings) -> str:
    """Raise what `ensure_app_secret` would raise of the Secret, without a write; return what it has.

    Raises:
        SettingsError: a given value cannot be meant, or one that is needed is not given.
        ConflictError: something there is unusable, not ours, or does not fit the settings.
        AccessDeniedError: this account may not read it, which does not mean that it is absent.
    """
    check_given(target.secrets.given)
    return await _AppSecret(kube, target, postgres).check()


async def ensure_app_secret(
    kube: KubeClient,
    target: Target,
    postgres: PostgresSettings,
    *,
    role_exists: Callable[[], Awaitable[bool]],
    accepts: Callable[[SecretStr], Awaitable[bool]] | None = None,
    allowed: Collection[str] | None = None,
) -> tuple[StageResult, SecretStr | None]:
    """Make a service's Secret complete, and return the database password that it holds (R10).

    Absent keys are added; a byte that is there is never changed, so a JWT secret survives every
    re-run. A given value that differs from the stored one is left out as well, and named in the
    outputs: rotation is a step of its own.

    Where the role exists and only DATABASE_URL is absent, its password is taken over from DB_PASSWORD
    or POSTGRES_URL of the same Secret, if the server accepts it (R34); `accepts` asks it.

    The Secret is written before the role is: killed between the two, the next run reads the
    password back and creates the role with it. The other order would leave a role whose password
    nobody has.

    `allowed` are the keys that may be added, None for whatever is missing.

    Raises:
        SettingsError: a given value is empty, ends with a line break or is missing; nothing was touched.
        ConflictError: something there is unusable, not ours, or does not fit the settings.
        MovedError: another key is missing than those that are allowed.
    """
    check_settings(target)
    steps = _AppSecret(kube, target, postgres, role_exists, accepts, allowed)
    return await until_settled(steps.once)


async def preview(
    kube: KubeClient,
    target: Target,
    postgres: PostgresSettings,
    *,
    role_exists: Callable[[], Awaitable[bool]],
    accepts: Callable[[SecretStr], Awaitable[bool]],
) -> Decision:
    """Return what `ensure_app_secret` would do now, and raise what it would raise; nothing is written."""
    check_settings(target)
    return await until_settled(_AppSecret(kube, target, postgres, role_exists, accepts).decide)


class _AppSecret:
    """One service's Secret: a look and, where something is missing, a write."""

    def __init__(
        self,
        kube: KubeClient,
        target: Target,
        postgres: PostgresSettings,
        role_exists: Callable[[], Awaitable[bool]] | None = None,
        accepts: Callable[[SecretStr], Awaitable[bool]] | None = None,
        allowed: Collection[str] | None = None,
    ) -> None:
        self._allowed = allowed
        self._kube = kube
        self._target = target
        self._postgres = postgres
        self._role_exists, self._accepts = role_exists, accepts
        # What a write without an answer may have added, and to nothing or to a Secret.
        self._unanswered: dict[str, str] = {}
        self._creating = False
        self._name = target.secrets.name
        self._collection = f"/api/v1/namespaces/{target.namespace}/secrets"
        self._where = where(target)
        self._show = show(target.namespace, self._name)

    async def check(self) -> str:
        found, values, missing = await self._look()
        if self._target.database and URL in values:
            self._password(values)
        if not self._wanted():
            return "no Secret is configured"
        if not missing:
            return f"{self._where} is complete"
        return f"{self._where} lacks {', '.join(missing)}" if found else f"{self._where} is to be made"

    async def _look(self) -> tuple[Json | None, dict[str, str], list[str]]:
        """Return the Secret, its values and what is missing, once all that could stop a write has not."""
        if not self._wanted():
            return None, {}, []
        found = await self._kube.find(f"{self._collection}/{self._name}")
        values = decoded(found) if found else {}
        check_present(values, self._wanted(), self._target)
        missing = [key for key in self._wanted() if key not in values]
        if found and missing:
            check_ours(found, missing, self._target)
        check_brought(missing, self._target)
        return found, values, missing

    async def decide(self) -> Decision:
        """Look, and return what is to be done."""
        found, values, missing = await self._look()
        password, origin = await self._database_password(values)
        compared = {*self._target.secrets.given, *self._target.secrets.compose} & values.keys()
        return Decision(
            found=found,
            values=values,
            has=tuple(key for key in self._wanted() if key in values),
            missing=tuple(missing),
            password=password,
            origin=origin,
            differs=tuple(sorted(key for key in compared if values[key] != self._value(key, password))),
        )

    async def once(self) -> tuple[StageResult, SecretStr | None]:
        if not self._wanted():
            # Nothing to keep: an empty Secret would only raise questions.
            return StageResult(stage=STAGE, status=Status.SKIPPED, summary="no Secret is configured"), None
        decision = await self.decide()
        beyond = [] if self._allowed is None else sorted(set(decision.missing) - set(self._allowed))
        if beyond:
            raise MovedError(f"{self._where} lacks {', '.join(beyond)}: not in the plan", stage=STAGE)
        values, password = decision.values, decision.password
        landed = [key for key, value in self._unanswered.items() if values.get(key) == value]
        added = {key: self._value(key, password) for key in decision.missing}
        if decision.found is None or added:
            await self._write(decision.found, added)
        created = decision.found is None or bool(landed and self._creating)
        return self._result(decision, [*landed, *decision.missing], created=created), password

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
        others = {*settings.generate, *settings.compose, *settings.asked, *settings.given}
        return [*keys, *sorted(others)]

    def _value(self, key: str, password: SecretStr | None) -> str:
        settings, database = self._target.secrets, self._target.database
        if database and password:
            if key == URL:
                return database_url(database, self._postgres, password.get_secret_value())
            if key in settings.compose:
                return composed(settings.compose[key], database, self._postgres, password)
        if key in settings.given:
            return settings.given[key].get_secret_value()
        return generate(settings.generate[key])

    def _password(self, values: Mapping[str, str]) -> SecretStr | None:
        if self._target.database is None:
            return None
        return password_in(values[URL], self._target.database, self._where, self._show)

    async def _database_password(self, values: Mapping[str, str]) -> tuple[SecretStr | None, str]:
        """Return the role's password and its origin: the stored one, one taken over, or a new one."""
        database = self._target.database
        if database is None:
            return None, ""
        if URL in values:
            return self._password(values), URL
        other = candidate(values, self._target.secrets.compose, database)
        if not await self._role_is_there():
            # Two passwords in one Secret would be one too many: the role gets the one that is there.
            return (other[1], other[0]) if other else (SecretStr(generate(PASSWORD)), NEW)
        if other and self._accepts and await self._accepts(other[1]):
            return other[1], other[0]
        tried = f", and the one in {other[0]} is not its own" if other else ""
        raise ConflictError(
            f"role {database.role} exists, but {self._where} has no {URL}{tried}: its password is lost; "
            "restore the key, or, if nothing else uses the role, give it a new password",
            stage=STAGE,
            next_command=command(
                "database", f"--service={self._target.service}", f"--reset-password={database.role}"
            ),
        )

    async def _role_is_there(self) -> bool:
        """Say whether the role exists, and raise if its Secret has come meanwhile (fault 39)."""
        if self._role_exists is None or not await self._role_exists():
            return False
        # Another run writes its Secret first and its role second: a role may be here because a
        # Secret has come since we looked.
        again = await self._kube.find(f"{self._collection}/{self._name}")
        if again and URL in (again.get("data") or {}):
            raise RaceLostError(f"{self._where} was written meanwhile")
        return True

    def _result(self, decision: Decision, added: list[str], *, created: bool) -> StageResult:
        differs = list(decision.differs)
        acted = created or bool(added)
        done = "created" if created else f"added {', '.join(added)}" if added else "in place"
        note = f"; left as stored, not as given or composed: {', '.join(differs)}" if differs else ""
        return StageResult(
            stage=STAGE,
            status=Status.SUCCEEDED if acted else Status.SKIPPED,
            summary=f"{self._where}: {done}{note}",
            outputs={
                "secret": self._name,
                "created": created,
                "added": added,
                "kept": sorted(decision.values.keys() - set(added)),
                "differs": differs,
            },
        )
