"""Where a service's Secret is left as it is, with the reason; nothing is written and no value told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from slipway_host.errors import (
    AccessDeniedError,
    SettingsError,
)
from slipway_host.results import Status
from support.app_secret import (
    CANARY,
    PATH,
    TARGET,
    URL,
    Json,
    ensure,
    given,
    put,
    refused,
    stored,
)

if TYPE_CHECKING:
    from support.kube import FakeKube


@pytest.mark.parametrize("value", ["", " ", "short", "-", "\n"])
async def test_a_jwt_secret_that_cannot_be_meant_is_an_error_and_stays(kube: FakeKube, value: str) -> None:
    put(kube, {"DATABASE_URL": URL, "JWT_SECRET": value})
    assert "JWT_SECRET" in await refused(kube)
    assert stored(kube)["JWT_SECRET"] == value


async def test_a_short_value_that_somebody_gave_is_theirs_to_judge(kube: FakeKube) -> None:
    put(kube, {"DATABASE_URL": URL, "JWT_SECRET": "j" * 32, "REDIS_PASSWORD": "redis"})
    result, _ = await ensure(kube, given(REDIS_PASSWORD="redis"))
    assert result.status is Status.SKIPPED


async def test_403_does_not_mean_absent(kube: FakeKube) -> None:
    kube.before["find"] = [AccessDeniedError("secrets is forbidden")]
    await refused(kube, kind=AccessDeniedError)


async def test_what_admission_says_against_a_new_secret_is_passed_on(kube: FakeKube) -> None:
    kube.before["create"] = [AccessDeniedError("exceeded quota: secrets, used: 10, limited: 10")]
    with pytest.raises(AccessDeniedError, match="exceeded quota"):
        await ensure(kube)
    assert len(kube.writes) == 1


UNTOUCHABLE: dict[str, Json] = {
    "belongs to ExternalSecret api": {
        "metadata": {"ownerReferences": [{"kind": "ExternalSecret", "name": "api"}]}
    },
    "belongs to SealedSecret api": {
        "metadata": {"ownerReferences": [{"kind": "SealedSecret", "name": "api"}]}
    },
    "is immutable": {"immutable": True},
    "has type kubernetes.io/tls": {"type": "kubernetes.io/tls"},
    "is being deleted": {"metadata": {"deletionTimestamp": "2026-08-01T00:00:00Z"}},
}


@pytest.mark.parametrize("reason", UNTOUCHABLE)
async def test_a_secret_that_is_not_ours_to_complete_is_left_and_explained(
    kube: FakeKube, reason: str
) -> None:
    before = put(kube, {"DATABASE_URL": URL}, **UNTOUCHABLE[reason])
    line = await refused(kube)
    assert reason in line
    assert "JWT_SECRET" in line
    assert kube.objects[PATH] == before


@pytest.mark.parametrize("reason", UNTOUCHABLE)
async def test_a_complete_secret_serves_whoever_owns_it(kube: FakeKube, reason: str) -> None:
    put(kube, {"DATABASE_URL": URL, "JWT_SECRET": "j" * 32}, **UNTOUCHABLE[reason])
    result, password = await ensure(kube, role=True)
    assert result.status is Status.SKIPPED
    assert password == SecretStr(CANARY)


async def test_a_role_whose_password_is_lost_stops_before_anything_is_written(kube: FakeKube) -> None:
    put(kube, {"JWT_SECRET": "j" * 32})
    assert "password is lost" in await refused(kube, role=True)


async def test_a_role_of_a_run_beside_us_is_no_lost_password(kube: FakeKube) -> None:
    def other_run() -> None:
        put(kube, {"DATABASE_URL": URL, "JWT_SECRET": "j" * 32})

    # Between our look at the Secret and our look at the role the other run has made both.
    kube.after["find"] = [other_run]
    result, password = await ensure(kube, role=True)
    assert password == SecretStr(CANARY)
    assert result.status is Status.SKIPPED


@pytest.mark.parametrize(
    ("url", "what"),
    [
        (URL.replace("api:", "ui:"), "the role"),
        (URL.removesuffix("/api") + "/ui", "the database"),
        (f"mysql://api:{CANARY}@db/api", "not of the form"),
        (f"postgresql://api:{CANARY}@db", "not of the form"),
        (f"postgresql://api:p/{CANARY}@db/api", "not of the form"),
        (CANARY, "not of the form"),
    ],
)
async def test_a_url_of_something_else_is_refused_without_its_password(
    kube: FakeKube, url: str, what: str
) -> None:
    put(kube, {"DATABASE_URL": url, "JWT_SECRET": "j" * 32})
    assert what in await refused(kube)


@pytest.mark.parametrize("value", ["", " ", f"{CANARY}\n", f"{CANARY}\r\n", "-", "-\n"])
async def test_a_given_value_that_cannot_be_meant_is_refused_before_any_request(
    kube: FakeKube, value: str
) -> None:
    assert "JWT_SECRET" in await refused(kube, given(JWT_SECRET=value), SettingsError)
    assert not kube.requests


async def test_a_url_of_ones_own_beside_a_database_is_refused_before_any_request(kube: FakeKube) -> None:
    await refused(kube, given(DATABASE_URL=URL), SettingsError)
    assert not kube.requests


async def test_a_password_of_the_old_layout_that_is_not_the_roles_stops(kube: FakeKube) -> None:
    put(kube, {"DB_PASSWORD": CANARY, "JWT_SECRET": "j" * 32})
    assert "the one in DB_PASSWORD is not its own" in await refused(kube, role=True)


async def test_a_new_jwt_secret_that_is_too_short_for_hs256_is_refused(kube: FakeKube) -> None:
    assert "fewer than 32" in await refused(kube, given(JWT_SECRET="j" * 31), SettingsError)


async def test_a_missing_value_that_only_the_caller_has_is_asked_for(kube: FakeKube) -> None:
    asking = replace(TARGET, secrets=replace(TARGET.secrets, asked=("REDIS_URL",)))
    assert "--app-secrets=env://REDIS_URL" in await refused(kube, asking, SettingsError)
