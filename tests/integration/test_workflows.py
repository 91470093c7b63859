"""R3: actionlint finds nothing in any workflow, nor in the lines that documentation adds to one."""

import http.server
import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from slipway_lab.layout import Layout
from support.workflows import DEPLOY, FILES, PULL_REQUEST, ROOT


def lint(layout: Layout, *paths: Path) -> subprocess.CompletedProcess[str]:
    # Neither of its helpers: what is on the machine would decide what is found.
    words = [layout.bin / "actionlint", "-no-color", "-oneline", "-shellcheck=", "-pyflakes=", *paths]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)


def test_actionlint_has_nothing_to_say(layout: Layout) -> None:
    said = lint(layout, *FILES)
    assert said.stdout == ""
    assert said.returncode == 0, said.stderr


def test_actionlint_is_awake(layout: Layout, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(PULL_REQUEST.read_text().replace("github.ref", "github.reff"))
    said = lint(layout, broken)
    assert said.returncode == 1
    assert 'property "reff" is not defined' in said.stdout


@pytest.fixture(scope="module")
def keyless() -> tuple[str, str]:
    """What docs/supply-chain.md puts in the place of permissions and of the step that deploys."""
    text = (ROOT / "docs" / "supply-chain.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    permissions = next(block for block in blocks if block.startswith("permissions:"))
    step = next(block for block in blocks if "dagger call" in block)
    return permissions, step


def test_the_documented_lines_for_a_token_fit_into_the_workflow(
    layout: Layout, keyless: tuple[str, str], tmp_path: Path
) -> None:
    permissions, step = keyless
    changed, old = tmp_path / "deploy.yaml", DEPLOY.read_text()
    text = old.replace("permissions:\n  contents: read\n", permissions)
    text = text.replace("      - name: Deploy\n        run: dagger call deploy\n", step)
    assert "id-token: write" in text
    assert "audience=sigstore" in text
    changed.write_text(text)
    said = lint(layout, changed)
    assert said.stdout == ""
    assert said.returncode == 0, said.stderr


class _Issuer(http.server.BaseHTTPRequestHandler):
    """Answers as GitHub does, where the request is one that GitHub would answer."""

    def do_GET(self) -> None:
        right = (
            self.headers["Authorization"] == "bearer of-the-job" and self.path == "/?a=b&audience=sigstore"
        )
        self.send_response(200 if right else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"count": 1, "value": "a.b.c"}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("bearer", "expected"), [("of-the-job", "token a.b.c"), ("wrong", "")])
def test_the_documented_lines_fetch_a_token(
    keyless: tuple[str, str], tmp_path: Path, bearer: str, expected: str
) -> None:
    script = keyless[1].partition("run: |\n")[2]
    dagger = tmp_path / "dagger"
    dagger.write_text('#!/bin/sh\necho "token $COSIGN_IDENTITY_TOKEN"\n')
    dagger.chmod(0o755)
    server = http.server.HTTPServer(("127.0.0.1", 0), _Issuer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    job = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer,
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/?a=b",
    }
    # As GitHub runs a step.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, env=job, capture_output=True, text=True, check=False)
    server.shutdown()
    server.server_close()
    said = [line for line in done.stdout.splitlines() if not line.startswith("::add-mask::")]
    assert "".join(said) == expected
    assert (done.returncode == 0) == bool(expected), done.stderr
