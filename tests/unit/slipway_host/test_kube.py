"""The Kubernetes client against a real HTTP server that answers by script."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    TerminalError,
    UnknownOutcomeError,
)
from slipway_host.kube import KubeClient
from support.api_server import TOKEN, ApiServer, Json, Reply, status

if TYPE_CHECKING:
    from collections.abc import Callable


SECRETS = "/api/v1/namespaces/mosuon/secrets"
PODS = "/api/v1/namespaces/mosuon/pods"


async def failure(act: Callable[[], Any], kind: type[DeliveryError]) -> DeliveryError:
    with pytest.raises(kind) as caught:
        await act()
    assert TOKEN not in str(caught.value)
    return caught.value


def item(name: str, version: int) -> Json:
    return {"metadata": {"uid": name, "name": name, "resourceVersion": str(version)}}


def page(*items: Json, version: int = 1, more: str = "") -> Reply:
    metadata = {"resourceVersion": str(version), **({"continue": more} if more else {})}
    return Reply(body={"metadata": metadata, "items": list(items)})


async def test_an_object_comes_as_it_is_with_fields_that_no_model_knows(
    served: ApiServer, client: KubeClient
) -> None:
    body = {"kind": "Secret", "novelty": {"x": [1, None]}}
    served.replies[f"{SECRETS}/x"] = [Reply(body=body)]
    assert await client.find(f"{SECRETS}/x") == body
    assert served.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_404_is_none_for_who_looks_and_an_error_for_who_needs_it(
    served: ApiServer, client: KubeClient
) -> None:
    assert await client.find(f"{SECRETS}/x") is None
    await failure(lambda: client.get(f"{SECRETS}/x"), NotFoundError)
    assert len(served.asked) == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, TerminalError),
        (401, AccessDeniedError),
        (403, AccessDeniedError),
        (409, ConflictError),
        (422, TerminalError),
        (429, ServiceUnavailableError),
        (500, ServiceUnavailableError),
        (503, ServiceUnavailableError),
    ],
)
async def test_a_refusal_is_the_server_s_own_sentence_and_writes_are_sent_once(
    served: ApiServer, client: KubeClient, code: int, kind: type[DeliveryError]
) -> None:
    served.replies[SECRETS] = [Reply(code, status(code, "exceeded quota: secrets"))]
    error = await failure(lambda: client.create(SECRETS, {"data": {"x": TOKEN}}), kind)
    assert isinstance(error, kind)
    assert "exceeded quota: secrets" in error.cause
    assert f"HTTP {code}" in error.cause
    assert "create secrets in namespace mosuon" in error.cause
    assert len(served.asked) == 1


async def test_403_is_not_absence_and_names_the_command_that_asks_for_the_right(
    served: ApiServer, client: KubeClient
) -> None:
    served.replies[f"{SECRETS}/x"] = [Reply(403, status(403, "forbidden"))]
    error = await failure(lambda: client.find(f"{SECRETS}/x"), AccessDeniedError)
    assert error.next_command == "kubectl auth can-i get secrets --namespace mosuon"


@pytest.mark.parametrize("fault", [Reply(503), Reply(429), Reply(drop=True), Reply(body=b"<html>")])
async def test_a_read_is_tried_again(served: ApiServer, client: KubeClient, fault: Reply) -> None:
    served.replies[f"{SECRETS}/x"] = [fault, fault, Reply(body={"a": 1})]
    assert await client.get(f"{SECRETS}/x") == {"a": 1}


async def test_a_read_is_given_up_after_four_tries(served: ApiServer, client: KubeClient) -> None:
    served.replies[f"{SECRETS}/x"] = [Reply(drop=True)]
    await failure(lambda: client.get(f"{SECRETS}/x"), ServiceUnavailableError)
    assert len(served.asked) == 4


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_write_without_an_answer_is_an_unknown_outcome_and_not_repeated(
    served: ApiServer, client: KubeClient, method: str
) -> None:
    served.guard = lambda _asked: Reply(drop=True)
    write = client.create if method == "POST" else client.patch
    error = await failure(lambda: write(SECRETS, {"a": 1}), UnknownOutcomeError)
    assert type(error) is UnknownOutcomeError
    assert [asked.method for asked in served.asked] == [method]


async def test_a_server_that_was_not_reached_has_written_nothing(served: ApiServer) -> None:
    served.url = "http://127.0.0.1:1"
    async with await KubeClient.connect(served.kubeconfig()) as client:
        error = await failure(lambda: client.create(SECRETS, {}), ServiceUnavailableError)
    assert "http://127.0.0.1:1" in error.cause


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("merge", "application/merge-patch+json"),
        ("json", "application/json-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
    ],
)
async def test_a_patch_says_what_it_is(
    served: ApiServer, client: KubeClient, kind: Any, content_type: str
) -> None:
    served.replies[f"{SECRETS}/x"] = [Reply(body={"ok": True})]
    body: Any = [{"op": "test"}] if kind == "json" else {"metadata": {"resourceVersion": "7"}}
    assert await client.patch(f"{SECRETS}/x", body, kind=kind) == {"ok": True}
    assert served.asked[0].method == "PATCH"
    assert served.asked[0].headers["content-type"] == content_type
    assert served.asked[0].body == body


async def test_a_list_is_read_page_by_page_with_its_selectors(served: ApiServer, client: KubeClient) -> None:
    served.replies[PODS] = [page(item("a", 1), more="next"), page(item("b", 2))]
    found = await client.list(PODS, selector="app=api", fields="metadata.name=a")
    assert [entry["metadata"]["name"] for entry in found] == ["a", "b"]
    for asked in served.asked:
        assert asked.query["labelSelector"] == ["app=api"]
        assert asked.query["fieldSelector"] == ["metadata.name=a"]
    assert served.asked[1].query["continue"] == ["next"]


async def test_a_page_that_expired_starts_the_list_anew(served: ApiServer, client: KubeClient) -> None:
    served.replies[PODS] = [
        page(item("a", 1), more="next"),
        Reply(410, status(410, "continue token is too old")),
        page(item("b", 2)),
    ]
    assert [entry["metadata"]["name"] for entry in await client.list(PODS)] == ["b"]


async def test_the_end_of_a_log_is_returned_and_the_rest_not(served: ApiServer, client: KubeClient) -> None:
    served.replies[f"{PODS}/api-0/log"] = [Reply(body=b"begin" + b"x" * 9000 + b"\xff the end")]
    text = await client.pod_log("mosuon", "api-0", "app", previous=True, limit_bytes=100)
    assert text.endswith("\N{REPLACEMENT CHARACTER} the end")
    assert len(text.encode(errors="replace")) <= 110
    query = served.asked[0].query
    assert query["previous"] == ["true"]
    assert int(query["limitBytes"][0]) <= 1024 * 1024


async def test_a_log_is_followed_line_by_line_to_its_end(served: ApiServer, client: KubeClient) -> None:
    served.replies[f"{PODS}/api-0/log"] = [Reply(body=b"one\n\xff two\n\nlast")]
    lines = [line async for line in client.follow_log("mosuon", "api-0", "app", silence_s=2)]
    assert lines == ["one", "\N{REPLACEMENT CHARACTER} two", "last"]
    assert served.asked[0].query == {"container": ["app"], "follow": ["true"]}


async def test_a_log_that_cannot_be_followed_is_an_error(served: ApiServer, client: KubeClient) -> None:
    served.replies[f"{PODS}/api-0/log"] = [Reply(403, status(403, "pods/log is forbidden"))]
    with pytest.raises(AccessDeniedError, match="pods/log is forbidden"):
        await anext(client.follow_log("mosuon", "api-0", "app", silence_s=2))


async def test_only_the_object_that_was_seen_is_deleted(served: ApiServer, client: KubeClient) -> None:
    served.replies[f"{PODS}/api-0"] = [Reply(body={"kind": "Status"}), Reply(409, status(409, "uid differs"))]
    await client.delete(f"{PODS}/api-0", uid="u-1")
    assert served.asked[0].method == "DELETE"
    assert served.asked[0].body == {"propagationPolicy": "Background", "preconditions": {"uid": "u-1"}}
    with pytest.raises(ConflictError):
        await client.delete(f"{PODS}/api-0", uid="u-1")


PROXY = f"{PODS}/api-0:4000/proxy/health"


@pytest.mark.parametrize("code", [200, 302, 401, 404, 500, 503])
async def test_what_the_pod_answers_is_an_answer_whatever_its_status(
    served: ApiServer, client: KubeClient, code: int
) -> None:
    served.replies[PROXY] = [Reply(code, b"said by the pod")]
    answer = await client.proxy_get("mosuon", "api-0", 4000, "/health", deadline_s=2)
    assert answer == (code, "said by the pod")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(503, status(503, "no endpoints available")), ServiceUnavailableError),
        (Reply(503, b"Error trying to reach service: dial tcp: refused"), ServiceUnavailableError),
        (Reply(403, status(403, "pods/proxy is forbidden")), AccessDeniedError),
        (Reply(404, status(404, 'pods "api-0" not found')), NotFoundError),
        (Reply(drop=True), ServiceUnavailableError),
    ],
)
async def test_what_the_api_server_answers_instead_of_the_pod_is_an_error(
    served: ApiServer, client: KubeClient, reply: Reply, kind: type[DeliveryError]
) -> None:
    served.replies[PROXY] = [reply]
    await failure(lambda: client.proxy_get("mosuon", "api-0", 4000, "/health", deadline_s=2), kind)


async def test_a_pod_that_says_too_much_or_nothing_is_left_in_time(
    served: ApiServer, client: KubeClient
) -> None:
    served.replies[PROXY] = [Reply(body=b"x" * 2048, hold=Event()), Reply(body=b"x", hold=Event())]
    assert (await client.proxy_get("mosuon", "api-0", 4000, "/health", deadline_s=2))[1] == "x" * 2048
    with anyio.fail_after(2):
        await failure(
            lambda: client.proxy_get("mosuon", "api-0", 4000, "/health", deadline_s=0.2),
            ServiceUnavailableError,
        )
