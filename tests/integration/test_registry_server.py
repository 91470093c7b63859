"""R7 against the lab's registries: one with accounts, one public."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from slipway_host.errors import AccessDeniedError
from slipway_host.registry import RegistryClient
from slipway_host.settings import RegistrySettings
from slipway_lab.layout import MIRROR


async def test_unknown_tag_is_none(registry: RegistrySettings) -> None:
    async with RegistryClient(registry) as client:
        assert await client.find("mosuon/nobody", "latest") is None


async def test_wrong_password_is_denied_and_names_registry_and_user_only(
    registry: RegistrySettings,
) -> None:
    wrong = replace(registry, password=SecretStr("canary-wrong-password"))
    async with RegistryClient(wrong) as client:
        with pytest.raises(AccessDeniedError) as caught:
            await client.find("mosuon/nobody", "latest")
    assert registry.host in str(caught.value)
    assert registry.username in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_image_is_known_by_digest_and_by_config(registry: RegistrySettings) -> None:
    async with RegistryClient(replace(registry, host=MIRROR)) as client:
        by_tag = await client.find("library/python", "3.13")
        assert by_tag is not None
        by_digest = await client.find("library/python", by_tag.digest)
    assert by_digest == by_tag
    assert [variant.platform for variant in by_tag.variants] == ["linux/amd64"]
    assert by_tag.manifests == {by_tag.digest}
