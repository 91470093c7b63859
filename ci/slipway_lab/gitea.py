"""Gitea: a git server with pull requests, an HTTP API and SSH, beside the plain one.

What is deployed from comes from the plain server; this one is for what a plain server cannot do.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from slipway_lab import command, golang
from slipway_lab.layout import HOST
from slipway_lab.pins import GO_PROGRAMS
from slipway_lab.sandbox import listening

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout
    from slipway_lab.sandbox import Sandbox

PORT = 3000
SSH_PORT = 2222
URL = f"https://{HOST}:{PORT}"
SSH = f"ssh://git@{HOST}:{SSH_PORT}"
USER = "mosuon"
"""The account that owns the repositories, and the only one."""


def _config(layout: Layout, static: Path) -> str:
    home, pki = layout.state / "gitea", layout.state / "pki"
    return f"""
APP_NAME = Slipway lab
RUN_USER = root
RUN_MODE = prod
WORK_PATH = {home}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true

[server]
PROTOCOL = https
HTTP_ADDR = {HOST}
HTTP_PORT = {PORT}
ROOT_URL = {URL}/
CERT_FILE = {pki}/server.pem
KEY_FILE = {pki}/server.key
STATIC_ROOT_PATH = {static}
APP_DATA_PATH = {home}/data
START_SSH_SERVER = true
SSH_LISTEN_HOST = {HOST}
SSH_LISTEN_PORT = {SSH_PORT}
SSH_SERVER_HOST_KEYS = {home}/host-key
BUILTIN_SSH_SERVER_USER = git
LFS_START_SERVER = false

[database]
DB_TYPE = sqlite3
PATH = {home}/gitea.db

[repository]
ROOT = {home}/repositories
DEFAULT_BRANCH = main

[security]
INSTALL_LOCK = true
SECRET_KEY = {_secret(home, "secret-key")}
INTERNAL_TOKEN = {_secret(home, "internal-token")}
DISABLE_GIT_HOOKS = true

[service]
DISABLE_REGISTRATION = true

[log]
MODE = console
LEVEL = Warn

[actions]
ENABLED = false

[cron]
ENABLED = false

[indexer]
ISSUE_INDEXER_TYPE = db

[oauth2]
ENABLED = false
"""


def _secret(home: Path, name: str) -> str:
    path = home / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


def start(sandbox: Sandbox) -> None:
    """Start the server, with one account and its token."""
    layout = sandbox.layout
    home = layout.state / "gitea"
    home.mkdir(parents=True, exist_ok=True)
    program = next(one for one in GO_PROGRAMS if one.name == "gitea")
    config = home / "app.ini"
    config.touch(mode=0o600)
    config.write_text(_config(layout, golang.folder_of(layout, program) / "files"))
    key = home / "host-key"
    if not key.exists():
        command.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key])
    sandbox.start(
        "gitea",
        [layout.bin / "gitea", "--config", config, "web"],
        ready=lambda: listening(HOST, PORT) and listening(HOST, SSH_PORT),
        deadline_s=90,
    )
    if not (home / "token").exists():
        _account(layout, config)


def _account(layout: Layout, config: Path) -> None:
    admin: list[str | Path] = [layout.bin / "gitea", "--config", config, "admin", "user"]
    listed = command.run([*admin, "list"])
    if USER not in listed.split():
        # The password is random and never used again: the token is the credential.
        create = ["create", "--admin", "--username", USER, "--email", f"{USER}@mosuon.invalid"]
        command.run([*admin, *create, "--random-password", "--must-change-password=false"])
    name = f"lab-{secrets.token_hex(4)}"
    scopes = "write:repository,write:user"
    said = command.run([*admin, "generate-access-token", "-u", USER, "-t", name, "--scopes", scopes, "--raw"])
    token = layout.state / "gitea" / "token"
    token.touch(mode=0o600)
    token.write_text(said.split()[-1])


def token(layout: Layout) -> str:
    """Return the account's token, for git and for the API."""
    return (layout.state / "gitea" / "token").read_text()


def known_host(layout: Layout) -> str:
    """Return the line of known_hosts that names the server's key."""
    kind, key = (layout.state / "gitea" / "host-key.pub").read_text().split()[:2]
    return f"[{HOST}]:{SSH_PORT} {kind} {key}"
