"""Commands in containers, against a real websocket server that plays API server and kubelet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from slipway_host.errors import (
    AccessDeniedError,
    DeadlineError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    UnknownOutcomeError,
)
from slipway_host.kube import KubeClient
from support.exec_server import (
    CLOSE,
    STATUS,
    STDERR,
    STDIN,
    STDOUT,
    V4,
    V5,
    Node,
    Peer,
    exec_server,
    kubeconfig,
    succeed,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from slipway_host.kube_exec import ExecResult

CANARY = "canary-4711"


def exited(code: str) -> dict[str, Any]:
    causes = [{"reason": "ExitCode", "message": code}]
    return {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}


@pytest.fixture
def node() -> Iterator[Node]:
    with exec_server() as server:
        yield server


@pytest.fixture
async def kube(node: Node) -> AsyncIterator[KubeClient]:
    async with await KubeClient.connect(kubeconfig(node)) as client:
        yield client


async def run(kube: KubeClient, stdin: str = "", deadline_s: float = 5) -> ExecResult:
    command = ["psql", "-c", "SELECT 'ä' & 1"]
    return await kube.exec("infra", "pg-0", "postgresql", command, stdin=stdin, deadline_s=deadline_s)


async def failure(
    kube: KubeClient, kind: type[DeliveryError], *, stdin: str = "", deadline_s: float = 5
) -> DeliveryError:
    with pytest.raises(kind) as caught:
        await run(kube, stdin, deadline_s)
    assert type(caught.value) is kind or kind is AccessDeniedError
    assert CANARY not in str(caught.value)
    return caught.value


async def test_a_command_arrives_word_by_word_and_its_output_in_full(node: Node, kube: KubeClient) -> None:
    def command(peer: Peer) -> None:
        peer.send(STDOUT, b"one ")
        peer.send(STDERR, b"warning")
        peer.send(STDOUT, b"x" * 40000 + b"\xff")
        succeed(peer)

    node.command = command
    result = await run(kube)
    assert result.exit_code == 0
    assert result.stdout == "one " + "x" * 40000 + "\N{REPLACEMENT CHARACTER}"
    assert result.stderr == "warning"
    assert node.asked[0]["command"] == ["psql", "-c", "SELECT 'ä' & 1"]
    assert node.asked[0]["container"] == ["postgresql"]
    assert node.asked[0]["stdin"] == ["false"]


async def test_any_exit_code_is_a_result(node: Node, kube: KubeClient) -> None:
    def command(peer: Peer) -> None:
        peer.send(STDERR, b"ERROR")
        peer.send(STATUS, exited("3"))
        peer.close()

    node.command = command
    result = await run(kube)
    assert (result.exit_code, result.stderr) == (3, "ERROR")


@pytest.mark.parametrize("protocol", [V4, V5])
async def test_input_arrives_in_small_frames_and_ends_where_the_protocol_can_say_so(
    node: Node, kube: KubeClient, protocol: str
) -> None:
    sent = f"{CANARY}\n" + "ä" * 50_000
    seen: list[bytes] = []
    closing: list[tuple[int, bytes] | None] = []
    longest: list[int] = []

    def command(peer: Peer) -> None:
        seen.append(peer.stdin(len(sent.encode())))
        if protocol == V5:
            closing.append(peer.receive())
        longest.append(peer.longest)
        succeed(peer)

    node.protocol, node.command = protocol, command
    await run(kube, sent)
    assert seen[0].decode() == sent
    assert longest[0] <= 32 * 1024
    assert closing == ([(CLOSE, bytes([STDIN]))] if protocol == V5 else [])
    assert node.asked[0]["stdin"] == ["true"]
    assert CANARY not in json.dumps(node.asked)


async def test_a_command_that_ends_without_reading_its_input_has_its_exit_code(
    node: Node, kube: KubeClient
) -> None:
    def command(peer: Peer) -> None:
        peer.send(STATUS, exited("127"))
        peer.close()

    node.command = command
    assert (await run(kube, "x" * 1_000_000)).exit_code == 127


@pytest.mark.parametrize("data", [None, b"half an answer"])
async def test_a_connection_that_ends_before_the_status_is_an_unknown_outcome(
    node: Node, kube: KubeClient, data: bytes | None
) -> None:
    node.command = lambda peer: peer.send(STDOUT, data) if data else None
    await failure(kube, UnknownOutcomeError)


@pytest.mark.parametrize(
    "status",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'"Success"',
        b'{"status": "Failure"}',
        b'{"status": "Failure", "details": null}',
        b'{"status": "Failure", "details": {"causes": [{"reason": "ExitCode"}]}}',
        b'{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "x"}]}}',
        b'{"status": "Failure", "message": "container is not running"}',
    ],
)
async def test_a_status_without_an_exit_code_is_an_unknown_outcome(
    node: Node, kube: KubeClient, status: bytes
) -> None:
    def command(peer: Peer) -> None:
        peer.send(STATUS, status)
        peer.close()

    node.command = command
    await failure(kube, UnknownOutcomeError)


async def test_a_program_that_the_container_lacks_is_said_so(node: Node, kube: KubeClient) -> None:
    def command(peer: Peer) -> None:
        peer.send(STATUS, {"status": "Failure", "message": "psql: executable file not found in $PATH"})
        peer.close()

    node.command = command
    assert "executable file not found" in (await failure(kube, NotFoundError)).cause


def status_of(code: int, message: str) -> bytes:
    return json.dumps({"kind": "Status", "apiVersion": "v1", "code": code, "message": message}).encode()


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (401, "Unauthorized", AccessDeniedError),
        (403, 'cannot create resource "pods/exec"', AccessDeniedError),
        (404, 'pods "pg-0" not found', NotFoundError),
        (500, "error dialing backend", ServiceUnavailableError),
    ],
)
async def test_a_refused_command_is_the_server_s_own_sentence(
    node: Node, kube: KubeClient, code: int, message: str, kind: type[DeliveryError]
) -> None:
    node.refusal = (code, status_of(code, message))
    assert message in (await failure(kube, kind)).cause


async def test_a_forbidden_command_names_the_right_that_it_lacks(node: Node, kube: KubeClient) -> None:
    node.refusal = (403, status_of(403, "forbidden"))
    error = await failure(kube, AccessDeniedError)
    assert error.next_command == "kubectl auth can-i create pods --subresource=exec --namespace infra"


async def test_a_server_that_was_not_reached_has_run_nothing(node: Node) -> None:
    node.url = "http://127.0.0.1:1"
    async with await KubeClient.connect(kubeconfig(node)) as kube:
        await failure(kube, ServiceUnavailableError)


async def test_silence_ends_with_the_deadline_and_hangs_up(node: Node, kube: KubeClient) -> None:
    node.command = lambda peer: peer.receive() and None
    error = await failure(kube, DeadlineError, deadline_s=0.2)
    assert "0.2 s" in error.cause
    assert await anyio.to_thread.run_sync(node.ended.wait, 3)


async def test_cancelling_hangs_up(node: Node, kube: KubeClient) -> None:
    node.command = lambda peer: peer.receive() and None
    with anyio.move_on_after(0.2) as scope:
        await run(kube, deadline_s=60)
    assert scope.cancelled_caught
    assert await anyio.to_thread.run_sync(node.ended.wait, 3)


async def test_a_token_that_expired_is_read_again(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    async with await KubeClient.connect(kubeconfig(node, tokenFile=str(file))) as kube:
        file.write_text("new")
        node.good = "new"
        assert (await run(kube)).exit_code == 0
    assert node.tokens == ["old", "new"]
