"""A Sigstore instance of the lab's own: Fulcio, a timestamp authority, and an issuer of identity tokens.

One nginx stands in front of all three, over the lab's TLS. The issuer is two documents, discovery and keys:
what makes a token is its signature, and `token` is what writes one, as GitHub does for a workflow's job.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import shutil
from typing import TYPE_CHECKING, Any

from slipway_lab import command
from slipway_lab.layout import HOST, SIGSTORE
from slipway_lab.sandbox import listening
from slipway_lab.signers import authorities

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import rsa

    from slipway_lab.layout import Layout
    from slipway_lab.sandbox import Sandbox

PORT = int(SIGSTORE.rpartition(":")[2])
FULCIO_PORT = 5555
TIMESTAMP_PORT = 5556
AUDIENCE = "sigstore"
REPOSITORY = "mosuon/game-stats"
WORKFLOW = f"{REPOSITORY}/.github/workflows/deploy.yaml@refs/heads/main"
IDENTITY = f"https://github.com/{WORKFLOW}"
"""What Fulcio writes into the certificate of a job of that workflow."""
TOKEN_S = 300


def folder(layout: Layout) -> Path:
    """Return where the instance keeps its keys and documents."""
    return layout.state / "sigstore"


def trusted_root(layout: Layout) -> Path:
    """Return the file that says whom this instance's signatures are trusted by."""
    return folder(layout) / "trusted-root.json"


def ensure(layout: Layout) -> None:
    """Make keys, certificates and documents, unless they are there."""
    home = folder(layout)
    if trusted_root(layout).exists():
        return
    # Made anew as a whole: half of them would not fit the other half.
    shutil.rmtree(home, ignore_errors=True)
    (home / "issuer" / ".well-known").mkdir(parents=True)
    home.chmod(0o700)
    authorities(home)
    _issuer(home)
    roots = ["--fulcio", f"url={SIGSTORE},certificate-chain={home / 'fulcio.pem'}"]
    roots += ["--tsa", f"url={SIGSTORE}/api/v1/timestamp,certificate-chain={home / 'timestamp.pem'}"]
    # Last, since its presence says that everything else is there.
    command.run([layout.bin / "cosign", "trusted-root", "create", *roots, "--out", trusted_root(layout)])


def _issuer(home: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = home / "issuer.key"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "lab", "n": _number(numbers.n)}
    discovery = {
        "issuer": SIGSTORE,
        "jwks_uri": f"{SIGSTORE}/.well-known/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    documents = home / "issuer" / ".well-known"
    (documents / "openid-configuration").write_text(json.dumps(discovery))
    (documents / "jwks").write_text(json.dumps({"keys": [{**jwk, "e": _number(numbers.e)}]}))


def token(
    layout: Layout, *, audience: str = AUDIENCE, workflow: str = WORKFLOW, seconds: float = TOKEN_S
) -> str:
    """Return an identity token with the claims of a GitHub Actions job.

    Args:
        layout: the lab.
        audience: whom the token is for.
        workflow: `owner/repository/path@ref` of the workflow.
        seconds: until it expires; negative for one that has expired.
    """
    repository = "/".join(workflow.split("/")[:2])
    now = dt.datetime.now(dt.UTC).timestamp()
    claims = {
        "iss": SIGSTORE,
        "aud": audience,
        "sub": f"repo:{repository}:ref:refs/heads/main",
        "iat": int(now + min(seconds, 0) - 1),
        "exp": int(now + seconds),
        "job_workflow_ref": workflow,
        "job_workflow_sha": "1" * 40,
        "workflow_ref": workflow,
        "workflow_sha": "1" * 40,
        "workflow": "deploy",
        "sha": "1" * 40,
        "ref": "refs/heads/main",
        "event_name": "push",
        "repository": repository,
        "repository_id": "1",
        "repository_owner": repository.partition("/")[0],
        "repository_owner_id": "1",
        "repository_visibility": "private",
        "runner_environment": "self-hosted",
        "run_id": "1",
        "run_attempt": "1",
    }
    head = {"alg": "RS256", "kid": "lab", "typ": "JWT"}
    text = f"{_part(head)}.{_part(claims)}"
    return f"{text}.{_base64(_sign(folder(layout) / 'issuer.key', text))}"


def _sign(path: Path, text: str) -> bytes:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding

    key = serialization.load_pem_private_key(path.read_bytes(), None)
    private: rsa.RSAPrivateKey = key  # type: ignore[assignment]  # what `_issuer` has written
    return private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())


def _part(content: dict[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _front(layout: Layout) -> str:
    pki, run = layout.state / "pki", layout.run
    return f"""
user root;
daemon off;
worker_processes 1;
pid {run}/sigstore-nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {run}/sigstore-body;
  proxy_temp_path {run}/sigstore-proxy;
  fastcgi_temp_path {run}/sigstore-fastcgi;
  uwsgi_temp_path {run}/sigstore-uwsgi;
  scgi_temp_path {run}/sigstore-scgi;
  server {{
    listen {HOST}:{PORT} ssl;
    ssl_certificate {pki}/server.pem;
    ssl_certificate_key {pki}/server.key;
    location /.well-known/ {{ root {folder(layout)}/issuer; default_type application/json; }}
    location /api/v2/ {{ proxy_pass http://{HOST}:{FULCIO_PORT}; }}
    location /api/v1/ {{ proxy_pass http://{HOST}:{TIMESTAMP_PORT}; }}
    location / {{ return 404; }}
  }}
}}
"""


def start(sandbox: Sandbox) -> None:
    """Start all three; Fulcio last, since it reads the issuer's documents when it starts."""
    layout = sandbox.layout
    ensure(layout)
    home = folder(layout)
    config = layout.run / "sigstore-nginx.conf"
    config.write_text(_front(layout))
    sandbox.start(
        "sigstore",
        ["nginx", "-c", config],
        ready=lambda: listening(HOST, PORT),
        deadline_s=10,
    )
    chain, key = home / "timestamp.pem", home / "timestamp.key"
    signer = ["--timestamp-signer", "file", "--certificate-chain-path", str(chain)]
    signer += ["--file-signer-key-path", str(key)]
    sandbox.start(
        "timestamp-authority",
        [
            layout.bin / "timestamp-server",
            *("serve", "--host", HOST, "--port", str(TIMESTAMP_PORT), "--disable-ntp-monitoring"),
            *signer,
        ],
        ready=lambda: listening(HOST, TIMESTAMP_PORT),
        deadline_s=15,
    )
    settings = layout.run / "fulcio.json"
    settings.write_text(json.dumps(_fulcio(layout)))
    if sandbox.daemon("fulcio") is None:
        _socket(layout).unlink(missing_ok=True)
    sandbox.start(
        "fulcio",
        [layout.bin / "fulcio", "serve", "--config", settings],
        ready=lambda: listening(HOST, FULCIO_PORT),
        deadline_s=15,
    )


def _socket(layout: Layout) -> Path:
    return layout.run / "fulcio.sock"


def _fulcio(layout: Layout) -> dict[str, Any]:
    issuer = {"IssuerURL": SIGSTORE, "ClientID": AUDIENCE, "Type": "github-workflow"}
    issuers = layout.run / "fulcio-issuers.json"
    issuers.write_text(json.dumps({"OIDCIssuers": {SIGSTORE: issuer}}))
    home = folder(layout)
    return {
        "ca": "fileca",
        "fileca-cert": str(home / "fulcio.pem"),
        "fileca-key": str(home / "fulcio.key"),
        # Readable by root only, as every key of the lab.
        "fileca-key-passwd": "",
        "fileca-watch": False,
        # No certificate transparency log: the trusted root names none either.
        "ct-log-url": "",
        "config-path": str(issuers),
        "host": HOST,
        "port": str(FULCIO_PORT),
        "grpc-host": "127.0.0.1",
        "grpc-port": "5554",
        # The timestamp authority has 2112, its own default and not to be changed.
        "metrics-port": "2113",
        "legacy-unix-domain-socket": str(_socket(layout)),
    }
