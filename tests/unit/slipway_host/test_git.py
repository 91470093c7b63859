import base64
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import anyio
import pytest
from pydantic import SecretStr

from slipway_host import git_program
from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    NotFoundError,
    PushRejectedError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    UnknownOutcomeError,
)
from slipway_host.git import clone
from slipway_host.settings import GitSettings

VALUES = "apps/api/values.yaml"
TEXT = b"image:\n  tag: x\n"
TOKEN = "canary-4711"


def git(at: Path, *arguments: str, date: str = "2026-08-01T00:00:00Z") -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(at), "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "x", f"GIT_{who}_EMAIL": "x@x", f"GIT_{who}_DATE": date}
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=at, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work tree beside `remote.git`, with one values file and a megabyte of something else."""
    folder = tmp_path / "work"
    git(tmp_path, "init", "-q", "--bare", "--initial-branch=main", "remote.git")
    git(tmp_path, "clone", "-q", "remote.git", "work")
    (folder / "apps/api").mkdir(parents=True)
    (folder / VALUES).write_bytes(TEXT)
    (folder / "large").write_bytes(os.urandom(1 << 20))
    publish(folder)
    return folder


def publish(work: Path, message: str = "c", date: str = "2026-08-01T00:00:00Z") -> str:
    git(work, "add", "--all")
    git(work, "commit", "-q", "--allow-empty", "-m", message, date=date)
    git(work, "push", "-q", "origin", "HEAD:main")
    return git(work, "rev-parse", "HEAD")


def settings(work: Path, branch: str = "main") -> GitSettings:
    return GitSettings(url=f"file://{work.parent}/remote.git", branch=branch)


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("allowed", ["true", "false", "refused"])
async def test_a_server_may_filter_ignore_the_filter_or_refuse_it(work: Path, allowed: str) -> None:
    bare = work.parent / "remote.git"
    git(bare, "config", "uploadpack.allowFilter", "false" if allowed == "false" else "true")
    if allowed == "refused":
        git(bare, "config", "uploadpackfilter.allow", "false")
    async with clone(settings(work), protocols=("file",)) as copy:
        head = await copy.fetch()
        assert await copy.read([VALUES]) == {VALUES: TEXT}
        if allowed == "true":
            assert size(copy._program.home) < 1 << 19
        commit = await copy.commit({VALUES: b"image:\r\n  tag: y\r\n"}, "subject\n")
        await copy.push(commit)
        assert await copy.fetch() == commit
        assert await copy.is_ancestor(head, commit)
        assert not await copy.is_ancestor(commit, head)


async def test_a_commit_changes_bytes_only_whatever_attributes_say(work: Path) -> None:
    # Fault 70, and the file's mode stays.
    (work / ".gitattributes").write_text("* text eol=lf ident filter=evil\n")
    (work / VALUES).chmod(0o755)
    before = publish(work)
    data = b"\xef\xbb\xbfimage: $Id$\r\n  tag: y \r\n"
    async with clone(settings(work), protocols=("file",)) as copy:
        await copy.fetch()
        await copy.push(await copy.commit({VALUES: data}, "s\n"))
    bare = work.parent / "remote.git"
    async with clone(settings(work), protocols=("file",)) as copy:
        await copy.fetch()
        assert await copy.read([VALUES]) == {VALUES: data}
    raw = git(bare, "diff", "--raw", "--no-abbrev", before, "main").split()
    assert raw[:2] == [":100755", "100755"]
    assert raw[-1] == VALUES


async def test_the_callers_git_variables_and_hooks_have_no_effect(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fault 74. What a CI job or a git hook around us may have set.
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    for name, value in {
        "GIT_DIR": "/nowhere",
        "GIT_INDEX_FILE": "/nowhere",
        "GIT_WORK_TREE": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(hooks),
        "GIT_AUTHOR_NAME": "somebody",
        "GIT_SSL_NO_VERIFY": "1",
    }.items():
        monkeypatch.setenv(name, value)
    async with clone(settings(work), protocols=("file",)) as copy:
        assert "GIT_SSL_NO_VERIFY" not in copy._program._environment()
        await copy.fetch()
        await copy.read([VALUES])
        await copy.push(await copy.commit({VALUES: b"y"}, "s\n"))
    assert not (tmp_path / "ran").exists()
    assert git(work.parent / "remote.git", "log", "-1", "--format=%an", "main") == "slipway"


async def test_only_regular_files_inside_are_read(work: Path) -> None:
    # Fault 72: the tree says what a work tree's lstat would.
    (work / "apps/file-link").symlink_to("api/values.yaml")
    (work / "apps/folder-link").symlink_to("/etc")
    publish(work)
    async with clone(settings(work), protocols=("file",)) as copy:
        await copy.fetch()
        for path, reason in {
            "apps/file-link": "apps/file-link .* is a symbolic link",
            "apps/folder-link/passwd": "apps/folder-link .* is a symbolic link",
            "apps/api": "not a regular file",
            f"{VALUES}/x": "apps/api/values.yaml .* is not a folder",
            "../outside": "not a path inside",
            "/etc/passwd": "not a path inside",
            "apps/.git/config": "not a path inside",
        }.items():
            with pytest.raises(SettingsError, match=reason):
                await copy.read([path])
        with pytest.raises(NotFoundError, match=r"apps/x/values.yaml does not exist on branch main"):
            await copy.read(["apps/x/values.yaml"])


async def test_a_missing_branch_is_told_from_a_missing_repository(work: Path) -> None:
    async with clone(settings(work, "release"), protocols=("file",)) as copy:
        with pytest.raises(NotFoundError, match=r"no branch release .*: there is main") as caught:
            await copy.fetch()
        assert caught.value.next_command == "set gitops.branch: main"
    git(work.parent, "init", "-q", "--bare", "empty.git")
    for name, reason in {
        "empty": "no branch main .*: it is empty",
        "none": "was not found",
    }.items():
        remote = GitSettings(url=f"file://{work.parent}/{name}.git", branch="main")
        async with clone(remote, protocols=("file",)) as copy:
            with pytest.raises(NotFoundError, match=reason):
                await copy.fetch()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///x", "uses file, expected https or ssh"),
        ("http://h/x", "uses http, expected"),
        ("ext::sh -c x", "not a URL"),
        ("/x", "not a URL"),
        ("--upload-pack=x", "not a URL"),
        ("ssh://-oProxyCommand=x/y", "not a URL"),
        ("git@-oProxyCommand=x:y", "not a URL"),
        (f"https://{TOKEN}@h/x", "holds credentials"),
        (f"https://u:{TOKEN}@h/x", "holds credentials"),
        (f"ssh://git:{TOKEN}@h/x", "holds credentials"),
        (f"https://h/x?access_token={TOKEN}", "not a URL"),
    ],
)
async def test_an_address_outside_the_allow_list_is_refused_unquoted(url: str, reason: str) -> None:
    # Faults 74 and 75.
    with pytest.raises(SettingsError, match=reason) as caught:
        async with clone(GitSettings(url=url, branch="main")):
            pass
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("url", ["https://h/x.git", "ssh://git@h:22/x.git", "git@h:x/y.git"])
async def test_the_usual_addresses_are_taken(url: str) -> None:
    async with clone(GitSettings(url=url, branch="main")) as copy:
        assert copy.address.host.startswith("h")


@pytest.mark.parametrize("branch", ["", "a..b", "-x y", "a.lock"])
async def test_a_branch_that_git_cannot_have_is_refused(branch: str) -> None:
    with pytest.raises(SettingsError, match="not a branch name"):
        async with clone(GitSettings(url="https://h/x", branch=branch)):
            pass


@pytest.mark.parametrize("token", ["", "abc\n"])
async def test_an_empty_or_broken_token_is_refused(token: str) -> None:
    # An empty repository secret counts as present in many a CI.
    with pytest.raises(SettingsError, match="the token for h is empty"):
        async with clone(GitSettings(url="https://h/x", branch="main", token=SecretStr(token))):
            pass


async def test_a_missing_git_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="install the package git"):
        async with clone(GitSettings(url="https://h/x", branch="main")):
            pass


async def test_a_rejected_push_quotes_the_server(work: Path) -> None:
    hook = work.parent / "remote.git/hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho '::error::only by pull request' >&2\nexit 1\n")
    hook.chmod(0o755)
    async with clone(settings(work), protocols=("file",)) as copy:
        await copy.fetch()
        with pytest.raises(PushRejectedError, match=": :error: :only by pull request; "):
            await copy.push(await copy.commit({VALUES: b"y"}, "s\n"))


async def test_the_last_commit_is_found_by_ancestry_not_by_date(work: Path) -> None:
    # Fault 77: the newer commit's clock is years behind.
    (work / VALUES).write_text("0")
    publish(work, "s\n\nBy: 0", "2026-08-01T00:00:00Z")
    (work / VALUES).write_text("1")
    newest = publish(work, "s\n\nBy: 1\nBy: also 1", "2001-01-01T00:00:00Z")
    for number in range(3):
        (work / "other").write_text(f"{number}")
        publish(work, "s\n\nBy: other")
    async with clone(settings(work), protocols=("file",)) as copy:
        head = await copy.fetch()
        found = await copy.last_commit(VALUES, trailer="By")
        assert found
        assert (found.commit, found.values) == (newest, ("1", "also 1"))
        assert await copy.last_commit("large", trailer="By") is None
        assert copy.head == head


class Backend(BaseHTTPRequestHandler):
    """Git's own smart HTTP server behind one account; some paths answer with a bare status."""

    protocol_version = "HTTP/1.1"
    root: Path

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        status = path.strip("/").split("/")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        basic = base64.b64encode(f"bot:{TOKEN}".encode()).decode()
        if status.isdigit():
            self._answer(int(status), {"Location": "http://elsewhere.invalid/x"}, b"")
        elif self.headers.get("Authorization") != f"Basic {basic}":
            self._answer(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
        elif "receive-pack" in self.path and path.startswith("/read-only/"):
            self._answer(403, {}, b"")
        else:
            self._serve(path.removeprefix("/read-only"), query, body)

    do_POST = do_GET  # noqa: N815 - the base class's names

    def _serve(self, path: str, query: str, body: bytes) -> None:
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": "bot",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], env=env, input=body, check=True, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(headers.pop("Status", "200").split()[0])
        self._answer(status, headers, content)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(root: Path, context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Backend,), {"root": root}))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def account(url: str, token: str | None = TOKEN) -> GitSettings:
    secret = None if token is None else SecretStr(token)
    return GitSettings(url=url, branch="main", username="bot", token=secret)


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
    assert "4711" not in str(caught.value)


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
