"""New values for keys of a service's Secret: the one place that changes what is there.

Killed anywhere, the same rotation converges when it is run again, and once done it changes nothing:
the Secret notes, key by key, which rotation gave the value and when. A database password is in two
places. Its successor is therefore stored beside it first, then given to the role, and only then made
the one that services read: at no point is a password in force that is stored nowhere.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from slipway_host import connection, restart
from slipway_host.caller import command
from slipway_host.connection import URL
from slipway_host.creation import RaceLostError, until_settled
from slipway_host.database_steps import literal
from slipway_host.errors import ConflictError, NotFoundError, SettingsError, UnknownOutcomeError
from slipway_host.generated import PASSWORD, generate
from slipway_host.postgres import FIXED_DATABASE, Step
from slipway_host.results import StageResult, Status
from slipway_host.scram import scram_verifier
from slipway_host.secret_data import check_given, decoded, encoded, show, untouchable
from slipway_host.services import JWT_KEY, SHORTEST_JWT
from slipway_host.together import together
from slipway_host.workload import workload_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json
    from slipway_host.postgres import SqlRunner
    from slipway_host.progress import Report
    from slipway_host.settings import PostgresSettings, Target

STAGE = "rotate"
ANNOTATION = "slipway/rotations"
"""JSON: key → the rotation that gave its value, and when."""
NEXT = "slipway.next-database-password"
"""Key of the password that the role is about to get; not a name that a service would read."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """What is to be rotated.

    Args:
        name: of the rotation: run again under the same name, it changes nothing twice.
        keys: of the Secret.
        targets: every service whose pods read the Secret; the first is the one that it belongs to.
    """

    name: str
    keys: tuple[str, ...]
    targets: tuple[Target, ...]

    @property
    def target(self) -> Target:
        """The service that the Secret belongs to."""
        return self.targets[0]


def rotation(*, name: str, keys: Sequence[str], confirm: str, targets: Sequence[Target]) -> Rotation:
    """Return a checked rotation.

    Raises:
        SettingsError: the confirmation is not the Secret's name, or a key is none to rotate.
    """
    target, settings = targets[0], targets[0].secrets
    if confirm != settings.name:
        raise SettingsError(
            f"rotation cuts off whoever uses the old value; say so with the Secret's name: {settings.name}",
            stage=STAGE,
            next_command=f"add --confirm={settings.name}",
        )
    if not NAME.fullmatch(name):
        raise SettingsError("a rotation's name is of letters, digits and .-_", stage=STAGE)
    known = {*settings.generate, *settings.asked, *settings.given, *([URL] if target.database else [])}
    for key in keys:
        if key in known:
            continue
        carriers = [k for k, template in settings.compose.items() if connection.holds_password(template)]
        hint = (
            f"its password is rotated as {URL}"
            if key in carriers
            else f"there are {', '.join(sorted(known))}"
        )
        raise SettingsError(f"{key} is no key that can be rotated: {hint}", stage=STAGE)
    if not keys:
        raise SettingsError("no key is named", stage=STAGE, next_command=f"add --key={min(known)}")
    check_given(settings.given)
    jwt = settings.given.get(JWT_KEY) if JWT_KEY in keys else None
    if jwt and len(jwt.get_secret_value()) < SHORTEST_JWT:
        raise SettingsError(f"the new {JWT_KEY} has fewer than {SHORTEST_JWT} characters", stage=STAGE)
    return Rotation(name=name, keys=tuple(dict.fromkeys(keys)), targets=tuple(targets))


async def rotate(
    kube: KubeClient,
    plan: Rotation,
    postgres: PostgresSettings,
    *,
    sql: SqlRunner | None,
    report: Report,
    deadline_s: float,
) -> StageResult:
    """Give the keys new values, and the pods that read them a restart; `Skipped` if all of that is done.

    Args:
        kube: the cluster.
        plan: what is to be rotated.
        postgres: the server, for addresses.
        sql: its administrator; needed for DATABASE_URL only.
        report: takes one line for people, live.
        deadline_s: seconds that each workload may take to replace its pods.

    Raises:
        NotFoundError: the Secret or a key is not there: there is nothing to rotate.
        ConflictError: the Secret is not ours to change.
        SettingsError: the given value is the one that is stored.
        RolloutFailedError: the new pods cannot become ready.
    """
    steps = _Steps(kube, plan, postgres, sql, report)
    at = await until_settled(steps.settle)
    acted = bool(steps.changed)
    words = [f"{key}: {'rotated' if key in steps.changed else 'rotated already'}" for key in plan.keys]
    before = {t.workload_name: await _generation(kube, t) for t in plan.targets}
    calls = [
        partial(restart.restart, kube, target, at=at, report=report, deadline_s=deadline_s)
        for target in plan.targets
    ]
    restarted = await together(*calls)
    for target, there in zip(plan.targets, restarted, strict=True):
        moved = there and await _generation(kube, target) != before[target.workload_name]
        acted = acted or moved
        state = "all pods are new" if moved else "its pods are new already" if there else "does not exist"
        words.append(f"{target.workload_kind.lower()}/{target.workload_name}: {state}")
    return StageResult(
        stage=STAGE,
        status=Status.SUCCEEDED if acted else Status.SKIPPED,
        summary=f"Secret {plan.target.secrets.name}, rotation {plan.name}: {'; '.join(words)}",
        outputs={"rotation": plan.name, "rotated": sorted(steps.changed), "at": at},
    )


async def _generation(kube: KubeClient, target: Target) -> int:
    found = await kube.find(f"{workload_path(target)}/{target.workload_name}")
    return int(found["metadata"]["generation"]) if found else 0


@dataclass
class _Steps:
    """What a rotation remembers from one look at the Secret to the next."""

    kube: KubeClient
    plan: Rotation
    postgres: PostgresSettings
    sql: SqlRunner | None
    report: Report
    changed: set[str] = field(default_factory=set)
    _unanswered: Json | None = None

    async def settle(self) -> str:
        """Bring Secret and role to the new values, and return when that was, for the restart."""
        plan, target = self.plan, self.plan.target
        path = f"/api/v1/namespaces/{target.namespace}/secrets/{target.secrets.name}"
        where = f"Secret {target.secrets.name} in namespace {target.namespace}"
        found = await self.kube.find(path)
        values = decoded(found) if found else {}
        absent = [key for key in plan.keys if key not in values]
        if found is None or absent:
            what = f"{where} has no {', '.join(absent)}" if found else f"there is no {where}"
            raise NotFoundError(f"{what}: there is nothing to rotate", next_command=command("secrets"))
        notes = _notes(found)
        due = [key for key in plan.keys if notes.get(key, {}).get("rotation") != plan.name]
        if self._unanswered and notes == self._unanswered:
            # The write whose answer was lost has landed.
            self.changed |= set(plan.keys)
        if not due:
            return max(str(notes[key]["at"]) for key in plan.keys)
        reason = untouchable(found, "Opaque")
        if reason:
            raise ConflictError(
                f"{where}: nothing was rotated: it {reason}",
                next_command=show(target.namespace, target.secrets.name),
            )
        added: dict[str, str | None] = {}
        if URL in due:
            if NEXT not in values:
                await self._patch(path, found, {NEXT: generate(PASSWORD)}, {})
                raise RaceLostError("the next password is stored: go on from there")
            added |= await self._database(values)
        added |= {key: self._value(key, values[key]) for key in due if key != URL}
        now = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        noted = {**notes, **{key: {"rotation": plan.name, "at": now} for key in due}}
        try:
            await self._patch(path, found, added, {ANNOTATION: json.dumps(noted, sort_keys=True)})
        except UnknownOutcomeError:
            self._unanswered = noted
            raise
        self.changed |= set(due)
        self.report(f"{where}: {', '.join(due)} rotated")
        return now

    async def _patch(
        self, path: str, found: Json, data: Mapping[str, str | None], annotations: Mapping[str, str]
    ) -> None:
        metadata: dict[str, Any] = {"resourceVersion": found["metadata"]["resourceVersion"]}
        if annotations:
            metadata["annotations"] = dict(annotations)
        coded = {key: None if value is None else encoded(value) for key, value in data.items()}
        try:
            await self.kube.patch(path, {"metadata": metadata, "data": coded})
        except (ConflictError, NotFoundError) as error:
            raise RaceLostError(error.cause) from error

    def _value(self, key: str, stored: str) -> str:
        settings = self.plan.target.secrets
        if key in settings.given:
            value = settings.given[key].get_secret_value()
            if value == stored:
                raise SettingsError(f"the value given for {key} is the one that is stored", stage=STAGE)
            return value
        if key in settings.generate:
            return generate(settings.generate[key])
        raise SettingsError(
            f"{key} needs a new value, and none is given",
            stage=STAGE,
            next_command=command("rotate", f"--key={key}", f"--confirm={settings.name}", secret=key),
        )

    async def _database(self, values: Mapping[str, str]) -> dict[str, str | None]:
        """Give the role its next password, and return what the Secret then says."""
        target, password = self.plan.target, SecretStr(values[NEXT])
        settings = target.database
        parts = connection.url_parts(values[URL])
        if (
            self.sql is None
            or settings is None
            or parts is None
            or parts[:2] != (settings.role, settings.name)
        ):
            raise ConflictError(f"{URL} is not the URL of the service's own role and database", stage=STAGE)
        if not await self.sql.accepts(settings.role, password):
            await self.sql.act([_alter(settings.role, password)], database=FIXED_DATABASE)
        old = parts[2].get_secret_value()
        new: dict[str, str | None] = {URL: connection.with_password(values[URL], password), NEXT: None}
        for key, value in values.items():
            if key in {URL, NEXT}:
                continue
            other = connection.url_parts(value)
            # Whatever holds this role's password by its form, whoever put it there.
            if other and other[0] == settings.role and other[2].get_secret_value() == old:
                new[key] = connection.with_password(value, password)
            elif value == old:
                new[key] = password.get_secret_value()
            elif key in target.secrets.compose and old in value:
                template = target.secrets.compose[key]
                new[key] = connection.composed(template, settings, self.postgres, password)
        return new


def _alter(role: str, password: SecretStr) -> Step:
    name, verifier = literal(role), literal(scram_verifier(password))
    return Step(f"SELECT format('ALTER ROLE %I PASSWORD %L', {name}, {verifier})")


def _notes(secret: Json) -> dict[str, dict[str, str]]:
    text = (secret["metadata"].get("annotations") or {}).get(ANNOTATION, "{}")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(note, dict) for note in found.values()):
        raise ConflictError(f"annotation {ANNOTATION} is not one of Slipway's", stage=STAGE)
    return found
