"""A service's Secret: made once, completed where it lacks something, never changed."""

from __future__ import annotations

import base64
import string
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr

from slipway_host.config import Generated
from slipway_host.connection import database_url
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeliveryError,
    ServiceUnavailableError,
    SettingsError,
    UnknownOutcomeError,
)
from slipway_host.generated import generate
from slipway_host.results import StageResult, Status
from slipway_host.secrets import ensure_app_secret
from slipway_host.settings import DatabaseSettings, PostgresSettings, SecretsSettings, Target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from support.kube import FakeKube

Json = dict[str, Any]
CANARY = "canary-47110815-canary-47110815-x"
URL = f"postgresql://api:{CANARY}@postgresql.infra:5432/api"
COLLECTION = "/api/v1/namespaces/mosuon/secrets"
PATH = f"{COLLECTION}/api-secrets"
POSTGRES = PostgresSettings(
    namespace="infra",
    selector="app=postgresql",
    container="postgresql",
    host="postgresql.infra",
    port=5432,
    admin_user="postgres",
    secret="postgresql",
)
TARGET = Target(
    service="api",
    app="api",
    environment="prod",
    commit="a" * 40,
    repository="registry.test/acme/api",
    namespace="mosuon",
    values="apps/api/values.yaml",
    argocd_namespace="argocd",
    workload_kind="Deployment",
    workload_name="api",
    health_path="/health",
    health_port=4000,
    health_stable_s=0,
    database=DatabaseSettings(name="api", role="api"),
    secrets=SecretsSettings(name="api-secrets", generate={"JWT_SECRET": Generated()}),
)


def given(**values: str) -> Target:
    secrets = replace(TARGET.secrets, given={key: SecretStr(value) for key, value in values.items()})
    return replace(TARGET, secrets=secrets)


def stored(kube: FakeKube) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in kube.objects[PATH]["data"].items()}


def put(kube: FakeKube, values: dict[str, str], **more: Any) -> Json:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return kube.put(PATH, {"metadata": {"name": "api-secrets"}, "type": "Opaque", "data": data, **more})


async def ensure(
    kube: FakeKube, target: Target = TARGET, *, role: bool = False
) -> tuple[StageResult, SecretStr | None]:
    async def role_exists() -> bool:
        await anyio.lowlevel.checkpoint()
        return role

    return await ensure_app_secret(cast("KubeClient", kube), target, POSTGRES, role_exists=role_exists)


async def refused(
    kube: FakeKube,
    target: Target = TARGET,
    kind: type[DeliveryError] = ConflictError,
    *,
    role: bool = False,
) -> str:
    """Ensure, expect the error, and return its line; nothing is written, no value is told."""
    with pytest.raises(kind) as caught:
        await ensure(kube, target, role=role)
    assert not kube.writes
    assert CANARY not in str(caught.value)
    return str(caught.value)


async def test_a_new_secret_holds_everything_that_the_service_needs(kube: FakeKube) -> None:
    result, password = await ensure(kube, given(REDIS_URL="redis://redis:6379"))
    assert password
    secret = kube.objects[PATH]
    assert secret["type"] == "Opaque"
    assert secret["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "slipway",
        "app.kubernetes.io/part-of": "api",
    }
    values = stored(kube)
    assert values.keys() == {"DATABASE_URL", "JWT_SECRET", "REDIS_URL"}
    assert values["DATABASE_URL"] == database_url(
        DatabaseSettings(name="api", role="api"), POSTGRES, password.get_secret_value()
    )
    assert values["REDIS_URL"] == "redis://redis:6379"
    assert len(values["JWT_SECRET"]) == 48
    assert result.status is Status.SUCCEEDED
    assert result.outputs["created"]


async def test_a_service_without_a_database_gets_neither_url_nor_password(kube: FakeKube) -> None:
    _, password = await ensure(kube, replace(TARGET, database=None))
    assert password is None
    assert stored(kube).keys() == {"JWT_SECRET"}


async def test_a_hundred_reruns_change_no_byte_and_write_nothing(kube: FakeKube) -> None:
    _, first = await ensure(kube)
    before = kube.objects[PATH]
    for _ in range(100):
        result, password = await ensure(kube, role=True)
        assert result.status is Status.SKIPPED
        assert password == first
    assert kube.objects[PATH] == before
    assert kube.writes == [f"create {COLLECTION}"]


async def test_fifty_racers_agree_on_one_password_and_one_jwt_secret(kube: FakeKube) -> None:
    found: list[SecretStr | None] = []
    created: list[bool] = []

    async def racer() -> None:
        result, password = await ensure(kube)
        found.append(password)
        created.append(result.outputs["created"])

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(racer)
    assert len(found) == 50
    assert len(set(found)) == 1
    assert created.count(True) == 1
    assert kube.objects[PATH]["metadata"]["resourceVersion"] == "1"


async def test_who_loses_the_creation_adopts_what_the_winner_wrote(kube: FakeKube) -> None:
    kube.before["create"] = [lambda: put(kube, {"DATABASE_URL": URL, "JWT_SECRET": "j" * 32})]
    result, password = await ensure(kube)
    assert password == SecretStr(CANARY)
    assert result.status is Status.SKIPPED
    assert stored(kube) == {"DATABASE_URL": URL, "JWT_SECRET": "j" * 32}


async def test_only_absent_keys_are_added_and_only_to_what_was_read(kube: FakeKube) -> None:
    put(kube, {"DATABASE_URL": URL, "OTHER": " kept\n"}, metadata={"labels": {"theirs": "yes"}})
    result, _ = await ensure(kube, given(REDIS_URL="redis://redis"))
    assert kube.patches[0]["data"].keys() == {"JWT_SECRET", "REDIS_URL"}
    assert kube.patches[0]["metadata"] == {"resourceVersion": "1"}
    assert kube.objects[PATH]["metadata"]["labels"] == {"theirs": "yes"}
    assert stored(kube)["DATABASE_URL"] == URL
    assert stored(kube)["OTHER"] == " kept\n"
    assert result.outputs["added"] == ["JWT_SECRET", "REDIS_URL"]


async def test_a_key_that_somebody_adds_meanwhile_is_theirs(kube: FakeKube) -> None:
    put(kube, {"DATABASE_URL": URL})
    theirs = {"DATABASE_URL": URL, "JWT_SECRET": "theirs-and-long"}
    kube.before["patch"] = [lambda: put(kube, theirs)]
    result, _ = await ensure(kube)
    assert stored(kube) == theirs
    assert result.status is Status.SKIPPED


async def test_a_secret_that_goes_meanwhile_is_made_anew(kube: FakeKube) -> None:
    put(kube, {"DATABASE_URL": URL})
    kube.before["patch"] = [kube.objects.clear]
    result, _ = await ensure(kube)
    assert result.outputs["created"]
    assert stored(kube).keys() == {"DATABASE_URL", "JWT_SECRET"}


@pytest.mark.parametrize("verb", ["create", "patch"])
async def test_a_write_whose_answer_was_lost_is_found_and_not_repeated(kube: FakeKube, verb: str) -> None:
    if verb == "patch":
        put(kube, {"DATABASE_URL": URL})
    kube.after[verb] = [UnknownOutcomeError("connection lost")]
    result, password = await ensure(kube)
    assert password
    assert len(kube.writes) == 1
    assert stored(kube)["DATABASE_URL"].count(password.get_secret_value()) == 1
    assert result.status is Status.SUCCEEDED
    assert "JWT_SECRET" in result.outputs["added"]


async def test_a_server_that_is_away_for_a_moment_is_asked_again(kube: FakeKube) -> None:
    kube.before["create"] = [ServiceUnavailableError("503"), ServiceUnavailableError("503")]
    assert (await ensure(kube))[0].status is Status.SUCCEEDED


async def test_a_server_that_stays_away_is_left_after_eight_looks(kube: FakeKube) -> None:
    kube.before["find"] = [ServiceUnavailableError("503")] * 20
    await refused(kube, kind=ServiceUnavailableError)
    assert len(kube.requests) == 8


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


@pytest.mark.parametrize(
    "url",
    [URL, URL.replace("postgresql:", "postgres:"), f"{URL}?sslmode=require", URL.replace(":5432", "")],
)
async def test_the_ways_to_write_a_url_are_adopted_as_they_are(kube: FakeKube, url: str) -> None:
    put(kube, {"DATABASE_URL": url, "JWT_SECRET": "j" * 32})
    assert (await ensure(kube, role=True))[1] == SecretStr(CANARY)
    assert stored(kube)["DATABASE_URL"] == url


@pytest.mark.parametrize("password", ["p@ss:w/rd?#%&+ ", "%41", "🔑", "a'\"\\b"])
async def test_every_password_survives_its_way_through_the_url(kube: FakeKube, password: str) -> None:
    settings = DatabaseSettings(name="api", role="api")
    url = database_url(settings, POSTGRES, password)
    put(kube, {"DATABASE_URL": url, "JWT_SECRET": "j" * 32})
    assert (await ensure(kube))[1] == SecretStr(password)


@pytest.mark.parametrize("value", ["", " ", f"{CANARY}\n", f"{CANARY}\r\n", "-", "-\n"])
async def test_a_given_value_that_cannot_be_meant_is_refused_before_any_request(
    kube: FakeKube, value: str
) -> None:
    assert "JWT_SECRET" in await refused(kube, given(JWT_SECRET=value), SettingsError)
    assert not kube.requests


async def test_a_url_of_ones_own_beside_a_database_is_refused_before_any_request(kube: FakeKube) -> None:
    await refused(kube, given(DATABASE_URL=URL), SettingsError)
    assert not kube.requests


async def test_a_given_value_that_differs_rotates_nothing_and_is_named(kube: FakeKube) -> None:
    put(kube, {"DATABASE_URL": URL, "JWT_SECRET": "stored-long-ago"})
    result, _ = await ensure(kube, given(JWT_SECRET=CANARY))
    assert stored(kube)["JWT_SECRET"] == "stored-long-ago"
    assert result.status is Status.SKIPPED
    assert result.outputs["differs"] == ["JWT_SECRET"]
    assert CANARY not in repr(result)


async def test_a_given_value_is_preferred_to_a_generated_one(kube: FakeKube) -> None:
    await ensure(kube, given(JWT_SECRET=CANARY))
    assert stored(kube)["JWT_SECRET"] == CANARY


async def test_results_hold_names_of_keys_and_no_values(kube: FakeKube) -> None:
    result, _ = await ensure(kube, given(API_SECRET=CANARY))
    for value in stored(kube).values():
        assert value not in repr(result)


@pytest.mark.parametrize(
    ("recipe", "letters"),
    [
        (Generated(length=16), string.ascii_letters + string.digits),
        (Generated(length=512, alphabet="hex"), "0123456789abcdef"),
        (Generated(length=512, alphabet="base64url"), string.ascii_letters + string.digits + "-_"),
    ],
)
def test_generated_values_follow_their_recipe(recipe: Generated, letters: str) -> None:
    values = [generate(recipe) for _ in range(20)]
    assert all(len(value) == recipe.length for value in values)
    assert set("".join(values)) <= set(letters)
    assert len(set(values)) == 20
    if recipe.length == 512:
        assert set("".join(values)) == set(letters)
