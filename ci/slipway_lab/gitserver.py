"""A git server over smart HTTPS, with accounts and rights per repository.

nginx in front of git's own `http-backend`. Reading and writing are told apart before git runs, so a wrong
password gets 401 and a known account without the right gets 403, as at the big hosts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from slipway_lab import command, credentials
from slipway_lab.layout import HOST
from slipway_lab.sandbox import listening

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout
    from slipway_lab.sandbox import Sandbox

PORT = 443
WRITERS = {"mosuon": (credentials.GIT_WRITER,), "slipway": (credentials.GIT_WRITER,)}
"""Owner of repositories → accounts that may push to them."""
PUBLIC = ("slipway",)
"""Owners whose repositories everybody may read."""


def repository(layout: Layout, name: str) -> Path:
    """Return the bare repository's folder; `name` is `owner/repository`."""
    return layout.state / "git" / f"{name}.git"


def _location(match: str, *, realm: str, before: str, layout: Layout) -> str:
    return f"""
    location ~ {match} {{
      {before}
      auth_basic {realm};
      auth_basic_user_file {layout.state}/git.htpasswd;
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param GIT_PROJECT_ROOT {layout.state}/git;
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param REMOTE_USER $remote_user;
      fastcgi_pass unix:{layout.run}/fcgiwrap.sock;
      fastcgi_read_timeout 300;
    }}"""


def _config(layout: Layout) -> str:
    pki, run = layout.state / "pki", layout.run
    locations = []
    for owner, writers in WRITERS.items():
        # The name in the request is not proven yet when `if` runs: auth_basic proves it right after.
        names = "|".join(writers)
        allowed = f'if ($remote_user !~ "^({names})?$") {{ return 403; }}'
        locations += [
            _location(f"^/{owner}/.+/git-receive-pack$", realm='"git"', before=allowed, layout=layout),
            _location(
                f"^/{owner}/.+/info/refs$",
                realm="$realm_refs" if owner in PUBLIC else '"git"',
                before=f'set $right "$arg_service:$remote_user";\n      '
                f'if ($right !~ "^(git-upload-pack:.*|git-receive-pack:({names})?)$") {{ return 403; }}',
                layout=layout,
            ),
            _location(
                f"^/{owner}/",
                realm="off" if owner in PUBLIC else '"git"',
                before="",
                layout=layout,
            ),
        ]
    return f"""
user root;
daemon off;
worker_processes 2;
pid {run}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {run}/nginx-body;
  proxy_temp_path {run}/nginx-proxy;
  fastcgi_temp_path {run}/nginx-fastcgi;
  uwsgi_temp_path {run}/nginx-uwsgi;
  scgi_temp_path {run}/nginx-scgi;
  map $arg_service $realm_refs {{ git-receive-pack git; default off; }}
  server {{
    listen {HOST}:{PORT} ssl;
    ssl_certificate {pki}/server.pem;
    ssl_certificate_key {pki}/server.key;
    {"".join(locations)}
    location / {{ return 404; }}
  }}
}}
"""


def start(sandbox: Sandbox) -> None:
    """Start the server; repositories may come and go while it runs."""
    layout = sandbox.layout
    (layout.state / "git").mkdir(parents=True, exist_ok=True)
    accounts = layout.state / "git.htpasswd"
    if not accounts.exists():
        credentials.htpasswd(
            accounts,
            {
                credentials.GIT_WRITER: credentials.read(layout, "git-writer"),
                credentials.GIT_READER: credentials.read(layout, "git-reader"),
            },
        )
    socket = layout.run / "fcgiwrap.sock"
    if sandbox.daemon("git-backend") is None:
        socket.unlink(missing_ok=True)
    sandbox.start(
        "git-backend",
        ["fcgiwrap", "-f", "-c", "16", "-s", f"unix:{socket}"],
        ready=socket.exists,
        deadline_s=20,
    )
    config = layout.run / "nginx.conf"
    config.write_text(_config(layout))
    sandbox.start(
        "git",
        ["nginx", "-c", config, "-e", "stderr"],
        ready=lambda: listening(HOST, PORT),
        deadline_s=20,
    )


def create(layout: Layout, name: str) -> Path:
    """Return an empty bare repository with branch main, made unless it is there."""
    folder = repository(layout, name)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        command.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", folder])
        for key, value in {
            "http.receivepack": "true",
            "uploadpack.allowFilter": "true",
            "uploadpack.allowAnySHA1InWant": "true",
            "receive.denyNonFastForwards": "true",
        }.items():
            command.run(["git", "-C", folder, "config", key, value])
    return folder


def publish(layout: Layout, name: str, source: Path, *, message: str) -> bool:
    """Put the files of a folder on a repository's main, as one commit on top; ignored files stay out.

    Returns:
        whether there was anything to commit.
    """
    folder = create(layout, name)
    who = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", "Mosuon platform"), ("EMAIL", "platform@mosuon.invalid"))
    }
    # A file of its own: several may publish at once.
    index = layout.run / f"publish.{os.getpid()}.index"
    env = {"GIT_DIR": str(folder), "GIT_WORK_TREE": str(source), "GIT_INDEX_FILE": str(index), **who}
    index.unlink(missing_ok=True)
    command.run(["git", "add", "--all", "."], env=env, cwd=source)
    tree = command.run(["git", "write-tree"], env=env, cwd=source).strip()
    index.unlink()
    parent: list[str] = []
    if head_of(layout, name):
        parent = ["-p", "refs/heads/main"]
        if command.run(["git", "-C", folder, "rev-parse", "refs/heads/main^{tree}"]).strip() == tree:
            return False
    commit = command.run(["git", "commit-tree", tree, *parent, "-m", message], env=env).strip()
    command.run(["git", "-C", folder, "update-ref", "refs/heads/main", commit])
    return True


def head_of(layout: Layout, name: str) -> str:
    """Return the commit of a repository's main, or nothing before its first commit."""
    heads = command.run(
        ["git", "-C", repository(layout, name), "for-each-ref", "--format=%(objectname)", "refs/heads/main"]
    )
    return heads.strip()
