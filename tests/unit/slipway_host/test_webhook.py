"""R28: a webhook gets one document, and its address, which is a secret, gets nowhere else."""

import hashlib
import hmac
import logging
import ssl
import traceback
from collections.abc import Iterator

import pytest
import trustme
from pydantic import SecretStr

from slipway_host import webhook
from slipway_host.errors import DeliveryError, ServiceUnavailableError, SettingsError, TerminalError
from support.https import Answer, Request, serving

CANARY = "T0canary/B0canary/x7Q"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSE_S", 0.01)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """An authority that this machine trusts."""
    found = trustme.CA()
    with found.cert_pem.tempfile() as path:
        context = ssl.create_default_context(cafile=path)
        monkeypatch.setattr(ssl, "create_default_context", lambda: context)
        yield found


async def failure(url: str, caplog: pytest.LogCaptureFixture) -> DeliveryError:
    """Return the error of a message, which says nothing of the address, and nor does any log."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DeliveryError) as caught:
        await webhook.send(SecretStr(url), b"{}")
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(caught.value.__dict__)
    assert "canary" not in shown
    return caught.value


async def test_a_document_arrives_over_tls_and_is_signed_as_github_signs(authority: trustme.CA) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return Answer()

    key, body = SecretStr("canary-key"), '{"text":"é"}'.encode()
    with serving(answer, authority.issue_cert("127.0.0.1")) as url:
        await webhook.send(SecretStr(f"{url}/services/{CANARY}"), body, key=key)
        await webhook.send(SecretStr(f"{url}/services/{CANARY}"), body)
    signed, unsigned = seen
    assert (signed.method, signed.path, signed.body) == ("POST", f"/services/{CANARY}", body)
    assert signed.headers["content-type"] == "application/json"
    expected = hmac.new(b"canary-key", body, hashlib.sha256).hexdigest()
    assert signed.headers[webhook.SIGNATURE.lower()] == f"sha256={expected}"
    assert webhook.SIGNATURE.lower() not in unsigned.headers


async def test_nothing_is_logged_of_a_message_and_other_requests_still_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    import httpx

    caplog.set_level(logging.DEBUG)
    with serving(lambda _: Answer()) as url:
        await webhook.send(SecretStr(f"{url}/{CANARY}"), b"{}")
        assert caplog.text == ""
        async with httpx.AsyncClient() as client:
            await client.get(f"{url}/other")
    assert "/other" in caplog.text


@pytest.mark.parametrize(
    ("answer", "kind", "said", "tries"),
    [
        (Answer(500, f"no {CANARY}"), ServiceUnavailableError, "its server answers 500", 2),
        (Answer(429, "rate_limited"), ServiceUnavailableError, "its server answers 429 rate_limited", 2),
        (Answer(404, "no_service"), TerminalError, "its server answers 404 no_service", 1),
        (Answer(404, f"/services/{CANARY}"), TerminalError, "its server answers 404", 1),
        (
            Answer(302, "", {"Location": f"https://elsewhere.invalid/{CANARY}"}),
            TerminalError,
            "its server redirects elsewhere (302), which is not followed",
            1,
        ),
    ],
)
async def test_a_refusal_is_told_without_the_address(
    answer: Answer, kind: type[DeliveryError], said: str, tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Request] = []

    def answering(request: Request) -> Answer:
        seen.append(request)
        return answer

    with serving(answering) as url:
        error = await failure(f"{url}/services/{CANARY}", caplog)
    assert (type(error), error.cause, len(seen)) == (kind, said, tries)


async def test_a_server_that_comes_back_gets_the_message() -> None:
    answers = [Answer(503), Answer()]
    with serving(lambda _: answers.pop(0)) as url:
        await webhook.send(SecretStr(url), b"{}")
    assert not answers


async def test_a_redirect_is_not_followed_even_to_the_same_server() -> None:
    paths = []

    def answer(request: Request) -> Answer:
        paths.append(request.path)
        return Answer(307, "", {"Location": "/elsewhere"})

    with serving(answer) as url, pytest.raises(TerminalError):
        await webhook.send(SecretStr(f"{url}/here"), b"{}")
    assert paths == ["/here"]


async def test_a_certificate_that_nobody_here_trusts_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return Answer()

    with serving(answer, trustme.CA().issue_cert("127.0.0.1")) as url:
        error = await failure(f"{url}/{CANARY}", caplog)
    assert (type(error), error.cause) == (TerminalError, "its certificate is not valid here")
    assert seen == []


async def test_no_server_is_no_connection(caplog: pytest.LogCaptureFixture) -> None:
    with serving(lambda _: Answer()) as url:
        pass
    error = await failure(f"{url}/{CANARY}", caplog)
    assert (type(error), error.cause) == (ServiceUnavailableError, "no connection to its server")


@pytest.mark.parametrize(
    "url",
    [
        f"http://hooks.slack.com/services/{CANARY}",
        f"http://localhost.evil.invalid/{CANARY}",
        f"file:///{CANARY}",
        f"hooks.slack.com/services/{CANARY}",
        f"https://host:port/{CANARY}",
        CANARY,
    ],
)
async def test_an_address_that_would_show_the_message_to_others_is_refused(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(await failure(url, caplog), SettingsError)
