"""The Secret that kubelets pull with: written when the account changed, and only then."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import SecretStr

from slipway_host.errors import ConflictError, SettingsError
from slipway_host.pull_secret import PULL_KEY, PULL_TYPE, ensure_pull_secret
from slipway_host.results import Status
from slipway_host.settings import RegistrySettings

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from support.kube import FakeKube

Json = dict[str, Any]
PASSWORD = "canary-4711:with-colon"
PATH = "/api/v1/namespaces/mosuon/secrets/registry-credentials"
AUTH = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
FULL = {"username": "robot", "password": PASSWORD, "auth": AUTH}


def account(host: str = "ghcr.io", username: str = "robot", password: str = PASSWORD) -> RegistrySettings:
    return RegistrySettings(host=host, username=username, password=SecretStr(password))


async def ensure(kube: FakeKube, registry: RegistrySettings) -> Status:
    return await ensure_pull_secret(cast("KubeClient", kube), "mosuon", "registry-credentials", registry)


def document(kube: FakeKube) -> Json:
    return dict(json.loads(base64.b64decode(kube.objects[PATH]["data"][PULL_KEY])))


def put(kube: FakeKube, text: str, **more: Any) -> Json:
    data = {PULL_KEY: base64.b64encode(text.encode()).decode(), "other": "eA=="}
    return kube.put(PATH, {"metadata": {"name": "x"}, "type": PULL_TYPE, "data": data, **more})


async def test_it_is_made_in_the_form_that_kubelets_read(kube: FakeKube) -> None:
    assert await ensure(kube, account()) is Status.SUCCEEDED
    assert kube.objects[PATH]["type"] == "kubernetes.io/dockerconfigjson"
    assert document(kube) == {"auths": {"ghcr.io": FULL}}


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
async def test_docker_hub_has_the_name_that_kubelets_look_for(kube: FakeKube, host: str) -> None:
    await ensure(kube, account(host))
    assert document(kube)["auths"].keys() == {"https://index.docker.io/v1/"}


@pytest.mark.parametrize(
    "entry", [FULL, {"auth": AUTH}, {"username": "robot", "password": PASSWORD}, {**FULL, "email": "a@b"}]
)
async def test_the_same_account_in_any_form_is_left_as_it_is(kube: FakeKube, entry: Json) -> None:
    before = put(kube, json.dumps({"auths": {"ghcr.io": entry}}, indent=8))
    assert await ensure(kube, account()) is Status.SKIPPED
    assert kube.objects[PATH] == before
    assert not kube.writes


@pytest.mark.parametrize(
    "entry", [{"auth": "!"}, {"auth": "/w=="}, {}, None, "text", {**FULL, "password": "old"}]
)
async def test_another_account_is_replaced_and_everything_else_stays(kube: FakeKube, entry: object) -> None:
    theirs = {"auth": "dGhlaXJzOnNlY3JldA=="}
    put(kube, json.dumps({"auths": {"quay.io": theirs, "ghcr.io": entry}, "credHelpers": {"x": "y"}}))
    assert await ensure(kube, account()) is Status.SUCCEEDED
    assert document(kube) == {"auths": {"quay.io": theirs, "ghcr.io": FULL}, "credHelpers": {"x": "y"}}
    assert kube.objects[PATH]["data"]["other"] == "eA=="
    assert await ensure(kube, account()) is Status.SKIPPED


async def test_a_change_that_somebody_makes_meanwhile_is_kept(kube: FakeKube) -> None:
    put(kube, json.dumps({"auths": {}}))
    theirs = json.dumps({"auths": {"quay.io": {"auth": "eDp5"}}})
    kube.before["patch"] = [lambda: put(kube, theirs)]
    await ensure(kube, account())
    assert document(kube)["auths"] == {"quay.io": {"auth": "eDp5"}, "ghcr.io": FULL}


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": []}', '{"auths": null}', PASSWORD])
async def test_what_is_no_docker_configuration_is_neither_replaced_nor_quoted(
    kube: FakeKube, text: str
) -> None:
    put(kube, text)
    with pytest.raises(ConflictError) as caught:
        await ensure(kube, account())
    assert not kube.writes
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_one_that_an_operator_owns_is_used_while_right_and_left_when_wrong(kube: FakeKube) -> None:
    owned = {"metadata": {"ownerReferences": [{"kind": "ExternalSecret", "name": "pull"}]}}
    put(kube, json.dumps({"auths": {"ghcr.io": FULL}}), **owned)
    assert await ensure(kube, account()) is Status.SKIPPED
    with pytest.raises(ConflictError, match="ExternalSecret pull") as caught:
        await ensure(kube, account(password="canary-new"))
    assert "canary" not in str(caught.value)
    assert not kube.writes


@pytest.mark.parametrize(
    ("username", "password"), [("", PASSWORD), ("robot", ""), ("robot", "canary\n"), ("robot\n", PASSWORD)]
)
async def test_half_an_account_is_refused_before_any_request(
    kube: FakeKube, username: str, password: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        await ensure(kube, account(username=username, password=password))
    assert "canary" not in str(caught.value)
    assert not kube.requests
