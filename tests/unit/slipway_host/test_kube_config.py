"""Accounts of a kubeconfig: read from any form, renewed where they can be."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from pydantic import SecretStr

from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    SettingsError,
)
from slipway_host.kube import KubeClient
from support.api_server import TOKEN, ApiServer, Json, Reply, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.api_server import Asked

SECRETS = "/api/v1/namespaces/mosuon/secrets"
PODS = "/api/v1/namespaces/mosuon/pods"


async def failure(act: Callable[[], Any], kind: type[DeliveryError]) -> DeliveryError:
    with pytest.raises(kind) as caught:
        await act()
    assert TOKEN not in str(caught.value)
    return caught.value


def only(token: str) -> Callable[[Asked], Reply | None]:
    def guard(asked: Asked) -> Reply | None:
        if asked.headers.get("authorization") == f"Bearer {token}":
            return None
        return Reply(401, status(401, "Unauthorized"))

    return guard


async def test_a_token_that_was_renewed_in_its_file_is_read_again(served: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    served.replies[f"{SECRETS}/x"] = [Reply(body={"a": 1})]
    async with await KubeClient.connect(served.kubeconfig(tokenFile=str(file))) as client:
        file.write_text("new")
        served.guard = only("new")
        assert await client.get(f"{SECRETS}/x") == {"a": 1}
    assert len(served.asked) == 2


async def test_a_token_of_an_exec_plugin_is_asked_for_again_once(served: ApiServer, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(
        "#!/bin/sh\n"
        f'echo x >> "{tmp_path}/calls"\n'
        f'n=$(wc -l < "{tmp_path}/calls")\n'
        'echo "{\\"apiVersion\\": \\"client.authentication.k8s.io/v1\\", \\"kind\\": \\"ExecCredential\\", '
        '\\"status\\": {\\"token\\": \\"token-$n\\"}}"\n'
    )
    plugin.chmod(0o700)
    served.replies[f"{SECRETS}/x"] = [Reply(body={"a": 1})]
    served.guard = only("token-2")
    user = {
        "command": str(plugin),
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
    }
    async with await KubeClient.connect(served.kubeconfig(exec=user)) as client:
        assert await client.get(f"{SECRETS}/x") == {"a": 1}
        served.guard = only("another")
        await failure(lambda: client.get(f"{SECRETS}/x"), AccessDeniedError)
    assert (tmp_path / "calls").read_text().count("x") == 3


async def test_a_fixed_token_that_is_refused_is_sent_once(served: ApiServer, client: KubeClient) -> None:
    served.guard = only("another")
    await failure(lambda: client.get(f"{SECRETS}/x"), AccessDeniedError)
    assert len(served.asked) == 1


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_kubeconfig_may_be_base64_with_line_breaks(
    served: ApiServer,
    wrapped: bool,  # noqa: FBT001
) -> None:
    served.replies[f"{SECRETS}/x"] = [Reply(body={"a": 1})]
    text = served.kubeconfig().get_secret_value().encode()
    encoded = base64.encodebytes(text) if wrapped else base64.b64encode(text)
    async with await KubeClient.connect(SecretStr(encoded.decode())) as client:
        assert await client.get(f"{SECRETS}/x") == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        TOKEN,
        f"{TOKEN}: [",
        f"- {TOKEN}",
        f"token: {TOKEN}",
        f"clusters: {TOKEN}",
        base64.b64encode(TOKEN.encode()).decode(),
        f'{{"clusters": [{{"name": "c"}}], "users": "{TOKEN}"}}',
        f'{{"clusters": [{{"name": "c"}}], "current-context": "{TOKEN[:0]}", "contexts": []}}',
    ],
)
async def test_what_is_no_kubeconfig_is_refused_and_not_quoted(text: str) -> None:
    error = await failure(lambda: KubeClient.connect(SecretStr(text)), SettingsError)
    assert TOKEN not in repr(error.__cause__)


@pytest.mark.parametrize(
    ("user", "what"),
    [
        ({"exec": {"command": "no-such-program-4711"}}, "'no-such-program-4711', which is not on PATH"),
        ({"client-certificate-data": "canary!", "client-key-data": "canary!"}, "cannot be read"),
    ],
)
async def test_an_account_that_cannot_be_used_here_is_said_so(
    served: ApiServer, user: Json, what: str
) -> None:
    served.url = "https://127.0.0.1:1"
    error = await failure(lambda: KubeClient.connect(served.kubeconfig(**user)), SettingsError)
    assert what in error.cause
    assert "canary" not in str(error)


async def test_an_exec_plugin_that_gives_nothing_is_an_error_and_not_an_anonymous_account(
    served: ApiServer, tmp_path: Path
) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\nexit 1\n")
    plugin.chmod(0o700)
    user = {"command": str(plugin), "apiVersion": "client.authentication.k8s.io/v1"}
    error = await failure(lambda: KubeClient.connect(served.kubeconfig(exec=user)), SettingsError)
    assert "gave no credentials" in error.cause
    assert not served.asked


async def test_many_questions_at_once_put_no_warning_among_the_lines_of_a_run(
    served: ApiServer, client: KubeClient, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(asked: Asked) -> Reply:
        time.sleep(0.2)
        return Reply(body={"asked": asked.path})

    served.guard = slow
    async with anyio.create_task_group() as group:
        for _ in range(30):
            group.start_soon(client.get, f"{SECRETS}/x")
    assert len(served.asked) == 30
    assert [record.getMessage() for record in caplog.records] == []
