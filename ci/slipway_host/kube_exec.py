"""One command in a container, over the API server's websocket.

All of it blocks: `kube.py` puts it on a thread.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host.errors import (
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    UnknownOutcomeError,
    quote,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from kubernetes.client import Configuration

STDIN, STDOUT, STDERR, ERROR = range(4)
"""The protocol's channels; the error channel carries how the command ended."""
SOCKET_S = 10.0
"""For the handshake, and for the rest of a frame; silence between frames may last longer."""
POLL_S = 0.25
"""How often a caller that has gone away is noticed."""
CHUNK = 16 * 1024
"""Below the 32 KiB that API servers take in one frame."""


@dataclass(frozen=True, kw_only=True)
class ExecResult:
    """What a command in a container left behind."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, kw_only=True)
class Exec:
    """One command, ready to be sent.

    Args:
        url: of the pod's `exec` subresource, query included.
        headers: with the account's authorization, in lower case.
        stdin: sent at once, then closed where the protocol can.
        what: for messages, like `exec psql in pod x/y`; never an argument, never input.
    """

    url: str
    headers: Mapping[str, str]
    stdin: bytes
    what: str


def run(
    configuration: Configuration,
    request: Exec,
    stop: threading.Event,
    refused: Callable[[int, bytes], DeliveryError],
) -> ExecResult:
    """Run the command and return how it ended; `stop` makes it hang up within a moment.

    Only v5 of the protocol can close stdin (Kubernetes 1.30, if API server and kubelet both speak
    it); v4 leaves it open for ever. A command that reads its input therefore has to know by itself
    where that ends.

    Raises:
        UnknownOutcomeError: the connection ended before the command's status came (fault 47).
        ServiceUnavailableError: the API server or the kubelet was not reached; nothing was run.
        NotFoundError: the container has no such program.
    """
    import websocket
    from kubernetes.stream.ws_client import V5_CHANNEL_PROTOCOL, WSClient, get_websocket_url

    # WSClient takes no timeout, and a server that accepts and stays silent would hold the thread.
    websocket.setdefaulttimeout(SOCKET_S)
    try:
        # Untyped: with `Any` the strictness about calls ends here.
        client: Any = WSClient(  # type: ignore[no-untyped-call]
            configuration,
            get_websocket_url(request.url),  # type: ignore[no-untyped-call]
            request.headers,
            capture_all=False,
            binary=True,
        )
    except websocket.WebSocketBadStatusException as error:
        raise refused(error.status_code, error.resp_body or b"") from error
    except (websocket.WebSocketException, OSError) as error:
        raise ServiceUnavailableError(f"{request.what}: {quote(str(error))}") from error

    dropped: Exception | None = None
    try:
        try:
            for start in range(0, len(request.stdin), CHUNK):
                client.write_channel(STDIN, request.stdin[start : start + CHUNK])
            if request.stdin and client.subprotocol == V5_CHANNEL_PROTOCOL:
                client.close_channel(STDIN)
        except OSError as error:
            # A command that ends without reading its input may close the socket while we write: the
            # status decides, and has arrived already.
            dropped = error
        while client.is_open() and not stop.is_set():
            client.update(timeout=POLL_S)
    except (websocket.WebSocketException, OSError) as error:
        dropped = error
    finally:
        with contextlib.suppress(websocket.WebSocketException, OSError):
            client.close(timeout=1)
        # After the server's goodbye, closing alone would leave the socket open.
        client.sock.shutdown()
    return _result(client, request.what, dropped)


def _result(client: Any, what: str, dropped: Exception | None) -> ExecResult:
    # Not WSClient.returncode: without an exit code it raises TypeError, KeyError or ValueError
    # (fault 47).
    try:
        status = json.loads(client.read_channel(ERROR) or b"null")
        details = status.get("details") or {}
        causes = details.get("causes") or ()
        codes = [int(c["message"]) for c in causes if c.get("reason") == "ExitCode"]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UnknownOutcomeError(
            f"{what}: the connection ended before the command's status came"
        ) from dropped
    if status.get("status") == "Success":
        codes = [0]
    if not codes:
        message = str(status.get("message") or "")
        if "not found" in message or "no such file" in message:
            raise NotFoundError(f"{what}: the container cannot run it: {quote(message)}")
        raise UnknownOutcomeError(f"{what}: no exit code: {quote(message)}")
    return ExecResult(
        exit_code=codes[0],
        stdout=client.read_channel(STDOUT).decode(errors="replace"),
        stderr=client.read_channel(STDERR).decode(errors="replace"),
    )
