"""Secrets of a build: each under the id that the Dockerfile mounts, and none that nobody asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from slipway import credentials
from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    import dagger

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Given:
    """A secret as the engine hands it over."""

    address: str
    text: str = "canary-canary"

    async def uri(self) -> str:
        return self.address

    async def plaintext(self) -> str:
        return self.text


class Engine:
    """What `dag` is asked for here."""

    def set_secret(self, name: str, plaintext: str) -> tuple[str, str]:
        return name, plaintext


async def mounted(given: list[Given], wanted: dict[str, str], patch: pytest.MonkeyPatch) -> object:
    patch.setattr(credentials, "dag", Engine())
    return await credentials.build_secrets(cast("list[dagger.Secret]", given), wanted)


@pytest.mark.parametrize(
    "address", ["env://NPM_TOKEN", "file:///run/secrets/NPM_TOKEN", "op://ci/npm/NPM_TOKEN"]
)
async def test_a_build_secret_is_found_by_the_end_of_its_address(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [Given("env://OTHER", "other-other"), Given(address)]
    assert await mounted(given, {"npm": "NPM_TOKEN"}, monkeypatch) == [("npm", "canary-canary")]


async def test_what_no_service_asks_for_is_not_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await mounted([Given("env://NPM_TOKEN")], {}, monkeypatch) == []


@pytest.mark.parametrize("given", [[], [Given("env://NPM_TOKEN_2")], [Given("env://NPM_TOKEN", "")]])
async def test_a_build_secret_that_is_not_given_stops_the_build(
    given: list[Given], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="build secret NPM_TOKEN is not given") as caught:
        await mounted(given, {"npm": "NPM_TOKEN"}, monkeypatch)
    assert "buildSecrets=env://NPM_TOKEN" in caught.value.next_command
    assert "--build-secrets=env://NPM_TOKEN" in caught.value.next_command


async def test_app_secrets_are_those_that_a_service_asks_for() -> None:
    given = cast("list[dagger.Secret]", [Given("env://REDIS_URL"), Given("env://OTHER", "")])
    found = await credentials.app_secrets(given, {"REDIS_URL", "SMTP_PASSWORD"})
    assert {key: value.get_secret_value() for key, value in found.items()} == {"REDIS_URL": "canary-canary"}


@pytest.mark.parametrize("text", ["", "canary-canary\n", "-", " "])
async def test_an_app_secret_that_cannot_be_meant_is_refused(text: str) -> None:
    """Fault 11: a CI passes a secret that does not exist as an empty one."""
    given = cast("list[dagger.Secret]", [Given("env://REDIS_URL", text)])
    with pytest.raises(SettingsError, match="REDIS_URL"):
        await credentials.app_secrets(given, {"REDIS_URL"})
