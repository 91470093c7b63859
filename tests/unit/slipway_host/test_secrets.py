"""A service's Secret: made once, completed where it lacks something, never changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from pydantic import SecretStr

from slipway_host.connection import database_url
from slipway_host.errors import (
    ServiceUnavailableError,
    UnknownOutcomeError,
)
from slipway_host.results import Status
from slipway_host.settings import DatabaseSettings
from support.app_secret import (
    CANARY,
    COLLECTION,
    PATH,
    POSTGRES,
    TARGET,
    URL,
    ensure,
    given,
    put,
    refused,
    stored,
)

if TYPE_CHECKING:
    from support.kube import FakeKube


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


COMPOSED = replace(
    TARGET.secrets,
    compose={
        "DB_HOST": "{host}",
        "DB_PASSWORD": "{password}",
        "POSTGRES_URL": "{url}?sslmode=require",
        "PGBOUNCER_URL": "postgres://{user}:{password}@pgbouncer:{port}/{name}",
    },
)


async def test_composed_keys_are_encoded_in_urls_and_raw_elsewhere(kube: FakeKube) -> None:
    put(kube, {"DATABASE_URL": URL.replace(CANARY, "p%40%2F%7Bname%7D"), "JWT_SECRET": "j" * 32})
    await ensure(kube, replace(TARGET, secrets=COMPOSED))
    values = stored(kube)
    assert values["DB_PASSWORD"] == "p@/{name}"
    assert values["DB_HOST"] == "postgresql.infra"
    assert values["PGBOUNCER_URL"] == "postgres://api:p%40%2F%7Bname%7D@pgbouncer:5432/api"
    assert values["POSTGRES_URL"].endswith("api:p%40%2F%7Bname%7D@postgresql.infra:5432/api?sslmode=require")


async def test_a_composed_key_that_is_there_stays_and_is_named(kube: FakeKube) -> None:
    put(kube, {"DB_HOST": "old", "DATABASE_URL": URL, "JWT_SECRET": "j" * 32})
    result, _ = await ensure(kube, replace(TARGET, secrets=COMPOSED))
    assert stored(kube)["DB_HOST"] == "old"
    assert result.outputs["differs"] == ["DB_HOST"]


@pytest.mark.parametrize("role", [True, False])
@pytest.mark.parametrize("old", [{"DB_PASSWORD": CANARY}, {"POSTGRES_URL": URL}])
async def test_a_password_of_the_old_layout_is_taken_over_where_it_is_the_roles(
    kube: FakeKube, old: dict[str, str], *, role: bool
) -> None:
    """R34; without a role, the one to come gets it."""
    put(kube, {**old, "JWT_SECRET": "j" * 32})
    result, password = await ensure(kube, role=role, accepted=CANARY)
    assert password == SecretStr(CANARY)
    assert result.outputs["added"] == ["DATABASE_URL"]
    assert stored(kube)["DATABASE_URL"] == URL


async def test_a_value_that_only_the_caller_has_is_needed_until_it_is_stored(kube: FakeKube) -> None:
    asking = replace(TARGET, secrets=replace(TARGET.secrets, asked=("REDIS_URL",)))
    put(kube, {"DATABASE_URL": URL, "JWT_SECRET": "j" * 32, "REDIS_URL": "redis://redis"})
    assert (await ensure(kube, asking))[0].status is Status.SKIPPED
