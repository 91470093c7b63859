"""A service's Secret at a fake cluster, for the tests of what is made and of what is refused."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio.lowlevel
import pytest
from pydantic import SecretStr

from slipway_host.config import Generated
from slipway_host.errors import ConflictError, DeliveryError
from slipway_host.secrets import ensure_app_secret
from slipway_host.settings import DatabaseSettings, PostgresSettings, SecretsSettings, Target
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult
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
TARGET = api_target(
    commit="a" * 40,
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
    kube: FakeKube, target: Target = TARGET, *, role: bool = False, accepted: str = ""
) -> tuple[StageResult, SecretStr | None]:
    async def role_exists() -> bool:
        await anyio.lowlevel.checkpoint()
        return role

    async def accepts(password: SecretStr) -> bool:
        await anyio.lowlevel.checkpoint()
        return password.get_secret_value() == accepted

    return await ensure_app_secret(
        cast("KubeClient", kube), target, POSTGRES, role_exists=role_exists, accepts=accepts
    )


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
