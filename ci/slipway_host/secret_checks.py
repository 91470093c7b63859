"""What keeps a service's Secret from being written: looked at before, so that nothing is half done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.caller import command
from slipway_host.connection import URL, url_parts
from slipway_host.creation import STAGE
from slipway_host.errors import ConflictError, SettingsError
from slipway_host.secret_data import check_given, show, untouchable
from slipway_host.services import JWT_KEY, SHORTEST_JWT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import SecretStr

    from slipway_host.kube_http import Json
    from slipway_host.settings import DatabaseSettings, Target

SHORTEST_GENERATED = 8


def where(target: Target) -> str:
    """Return how messages name a service's Secret."""
    return f"Secret {target.secrets.name} in namespace {target.namespace}"


def password_in(url: str, settings: DatabaseSettings, place: str, next_command: str) -> SecretStr:
    """Return the role's password from a DATABASE_URL that fits the settings."""
    parts = url_parts(url)
    if parts is None:
        raise ConflictError(
            f"{place}: {URL} is not of the form postgresql://role:password@host:port/database, "
            "with the password percent-encoded",
            stage=STAGE,
            next_command=next_command,
        )
    role, name, password = parts
    pairs = (("role", role, settings.role), ("database", name, settings.name))
    different = [part for part, found, wanted in pairs if found != wanted]
    if different:
        raise ConflictError(
            f"{place}: the {' and the '.join(different)} in {URL} differ from the settings "
            f"(role {settings.role}, database {settings.name}): set `database` in slipway.yaml",
            stage=STAGE,
            next_command=next_command,
        )
    return password


def check_settings(target: Target) -> None:
    """Refuse what is given for a service's Secret and cannot be meant, before anything is looked at.

    Raises:
        SettingsError: a value is empty, or ends with a line break, or a key has two sources.
    """
    settings = target.secrets
    check_given(settings.given)
    if target.database and URL in {*settings.given, *settings.generate, *settings.compose}:
        raise SettingsError(
            f"{URL} is there for every service with a database: neither generate, compose nor give it",
            stage=STAGE,
        )


def check_present(values: Mapping[str, str], wanted: Sequence[str], target: Target) -> None:
    """Raise where a value that is there cannot be meant (fault 54)."""
    settings = target.secrets
    for key in wanted:
        if key not in values:
            continue
        value = values[key]
        problem = ""
        if not value.strip():
            problem = "is empty"
        elif value.strip() == "-":
            problem = "is a mere `-`"
        elif key in settings.generate and len(value) < SHORTEST_GENERATED:
            problem = f"has fewer than {SHORTEST_GENERATED} characters"
        if problem:
            raise ConflictError(
                f"{where(target)}: {key} {problem}; it is never overwritten: correct it, or remove "
                "the key and deploy again",
                stage=STAGE,
                next_command=f"kubectl --namespace {target.namespace} edit secret {settings.name}",
            )


def check_ours(found: Json, missing: Sequence[str], target: Target) -> None:
    """Raise where keys are missing in a Secret that is not ours to add to."""
    reason = untouchable(found, "Opaque")
    if reason:
        raise ConflictError(
            f"{where(target)} lacks {', '.join(missing)}, and nothing was added: it {reason}",
            stage=STAGE,
            next_command=show(target.namespace, target.secrets.name),
        )


def check_brought(missing: Sequence[str], target: Target) -> None:
    """Raise where a value has to be written that only the caller has, or that is too weak."""
    settings = target.secrets
    sources = {URL, *settings.given, *settings.generate, *settings.compose}
    if absent := [key for key in missing if key not in sources]:
        raise SettingsError(
            f"{where(target)} lacks {', '.join(absent)}, and no value is given",
            stage=STAGE,
            next_command=command("secrets", f"--service={target.service}", secret=absent[0]),
        )
    brought = settings.given.get(JWT_KEY) if JWT_KEY in missing else None
    if brought and len(brought.get_secret_value()) < SHORTEST_JWT:
        raise SettingsError(
            f"the value given for {JWT_KEY} has fewer than {SHORTEST_JWT} characters, too few for HS256",
            stage=STAGE,
            next_command="openssl rand -hex 32",
        )
