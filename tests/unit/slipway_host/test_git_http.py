import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from slipway_host import git_program
from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    UnknownOutcomeError,
)
from slipway_host.git import clone
from support.git_http import TOKEN, account, serving
from support.git_work import TEXT, VALUES, git, publish, settings, size


async def test_over_http_a_push_lands_and_leaves_no_token_behind(work: Path) -> None:
    # R11, fault 75.
    git(work.parent / "remote.git", "config", "uploadpack.allowFilter", "true")
    with serving(work.parent) as port:
        remote = account(f"http://127.0.0.1:{port}/remote.git")
        async with clone(remote, protocols=("http",)) as copy:
            await copy.fetch()
            assert size(copy._program.home) < 1 << 19
            assert await copy.read([VALUES]) == {VALUES: TEXT}
            commit = await copy.commit({VALUES: b"image:\n  tag: y\n"}, "s\n")
            await copy.push(commit)
            assert await copy.fetch() == commit
            files = [file for file in copy._program.home.rglob("*") if file.is_file()]
            assert not [file for file in files if TOKEN.encode() in file.read_bytes()]
            assert copy._program.home.stat().st_mode & 0o777 == 0o700
            home = copy._program.home
    assert not home.exists()


@pytest.mark.parametrize(
    ("path", "token", "kind", "reason"),
    [
        ("/remote.git", "wrong-4711", AccessDeniedError, "denies git fetch to the account bot"),
        ("/remote.git", None, AccessDeniedError, "asks for an account, and no token"),
        ("/none.git", TOKEN, NotFoundError, "/none.git was not found"),
        ("/403/x.git", TOKEN, AccessDeniedError, "denies git fetch to the account bot"),
        ("/404/x.git", TOKEN, NotFoundError, "was not found"),
        ("/301/x.git", TOKEN, SettingsError, "redirects"),
        ("/429/x.git", TOKEN, ServiceUnavailableError, "429"),
        ("/503/x.git", TOKEN, ServiceUnavailableError, "503"),
    ],
)
async def test_http_failures_are_told_apart(
    work: Path, path: str, token: str | None, kind: type[DeliveryError], reason: str
) -> None:
    with serving(work.parent) as port:
        remote = account(f"http://127.0.0.1:{port}{path}", token)
        async with clone(remote, protocols=("http",)) as copy:
            with pytest.raises(DeliveryError, match=reason) as caught:
                await copy.fetch()
    assert type(caught.value) is kind
    assert "canary" not in str(caught.value)


async def test_an_account_that_may_only_read_is_denied_the_push(work: Path) -> None:
    with serving(work.parent) as port:
        remote = account(f"http://127.0.0.1:{port}/read-only/remote.git")
        async with clone(remote, protocols=("http",)) as copy:
            await copy.fetch()
            commit = await copy.commit({VALUES: b"y"}, "s\n")
            with pytest.raises(AccessDeniedError, match="denies git push to the account bot"):
                await copy.push(commit)


async def test_a_server_that_is_gone_is_worth_another_try(work: Path) -> None:
    with serving(work.parent) as port:
        remote = account(f"http://127.0.0.1:{port}/remote.git")
    async with clone(remote, protocols=("http",)) as copy:
        with pytest.raises(ServiceUnavailableError):
            await copy.fetch()


async def test_an_untrusted_certificate_stops_and_a_trusted_one_is_taken(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fault 76. SSL_CERT_FILE is what the other clients of a run honour.
    for name in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(work.parent, context) as port:
        remote = account(f"https://127.0.0.1:{port}/remote.git")
        async with clone(remote) as copy:
            with pytest.raises(TerminalError, match=r"identity of 127.0.0.1.* cannot be verified"):
                await copy.fetch()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with clone(remote) as copy:
            assert len(await copy.fetch()) == 40


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def commands_with(text: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and "git" in line:
            found.append(line)
    return found


async def test_cancellation_ends_git_with_its_helpers_and_removes_the_copy() -> None:
    with silent_server() as port:
        address = f"127.0.0.1:{port}"
        with anyio.move_on_after(10) as scope:
            remote = account(f"http://{address}/x.git")
            async with (
                clone(remote, protocols=("http",)) as copy,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(copy.fetch)
                running: list[str] = []
                while not any("remote-http" in line for line in running):
                    await anyio.sleep(0.02)
                    running = commands_with(address)
                scope.cancel()
        assert scope.cancelled_caught
        assert not any(TOKEN in line for line in running)
        await anyio.sleep(0.2)
        assert not commands_with(address)
        assert not copy._program.home.exists()


async def test_trial_of_a_push_tells_who_may_and_leaves_nothing(work: Path) -> None:  # R22
    before = git(work.parent / "remote.git", "show-ref")
    with serving(work.parent) as port:
        async with clone(account(f"http://127.0.0.1:{port}/remote.git"), protocols=("http",)) as copy:
            await copy.fetch()
            await copy.try_push()
        # Somebody else's push in between changes nothing about who may.
        async with clone(account(f"http://127.0.0.1:{port}/remote.git"), protocols=("http",)) as copy:
            await copy.fetch()
            assert git(work.parent / "remote.git", "show-ref") == before
            publish(work)
            await copy.try_push()
        async with clone(
            account(f"http://127.0.0.1:{port}/read-only/remote.git"), protocols=("http",)
        ) as copy:
            await copy.fetch()
            with pytest.raises(AccessDeniedError, match="denies git push to the account bot"):
                await copy.try_push()


async def test_a_server_that_never_answers_is_left_in_time(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with clone(settings(work), protocols=("file", "http")) as copy:
        await copy.fetch()
        commit = await copy.commit({VALUES: b"y"}, "s\n")
        with silent_server() as port:
            await copy._program.local("config", "remote.origin.url", f"http://127.0.0.1:{port}/x.git")
            monkeypatch.setattr(git_program, "NETWORK_LIMIT_S", 0.1)
            with pytest.raises(ServiceUnavailableError, match="did not answer git fetch"):
                await copy.fetch()
            with pytest.raises(UnknownOutcomeError, match="did not answer git push"):
                await copy.push(commit)
