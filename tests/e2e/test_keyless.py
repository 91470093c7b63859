"""R8 on the lab without a key: Fulcio's certificate, a timestamp, and the gate before the GitOps commit.

The tests of this file are one story and run in their order.
"""

import json
from pathlib import Path

import pytest

from slipway import provenance
from slipway_lab import sigstore
from slipway_lab.layout import SIGSTORE
from support.app import App, refused

ROOT_FILE = "sigstore-root.json"
OTHER = sigstore.WORKFLOW.replace("deploy.yaml", "other.yaml")
SIGNING = f"""
signing:
  identity: {sigstore.IDENTITY}
  issuer: {SIGSTORE}
  fulcio: {SIGSTORE}
  timestampAuthority: {SIGSTORE}/api/v1/timestamp
  trustedRoot: {ROOT_FILE}
"""


def identity(app: App, tmp: Path, **claims: object) -> list[str]:
    """The argument that a CI gives: a token of its own for this call."""
    path = tmp / "token"
    path.touch(mode=0o600)
    path.write_text(sigstore.token(app.layout, **claims))  # type: ignore[arg-type]
    return [f"--cosign-identity-token=file://{path}"]


def by(app: App, who: str) -> list[str]:
    """cosign's own flags for a signature by this identity, on an instance without logs."""
    identity = ["--certificate-identity", who, "--certificate-oidc-issuer", SIGSTORE]
    root = ["--trusted-root", str(sigstore.trusted_root(app.layout)), "--use-signed-timestamps"]
    return [*identity, *root, "--insecure-ignore-tlog", "--insecure-ignore-sct"]


def require(app: App) -> None:
    text = (app.folder / "slipway.yaml").read_text()
    app.commit({"slipway.yaml": f"{text}\nenvironments:\n  dev:\n    requireSignature: true\n"})


@pytest.fixture(scope="module")
def reference(app: App) -> str:
    """The pushed image of the commit that `TestBefore` ends with, by digest."""
    said = app.call("push")
    assert said.code == 0, said.error
    return said.out.split()[-1]


class TestBefore:
    """Refused before anything is done."""

    def test_required_signature_needs_something_to_verify_it_with(self, app: App) -> None:
        require(app)
        refused(app.call("deploy"), "deploy: dev requires a signature", "cosignPublicKey=")
        assert app.tags(app.head()[:8]) == []

    def test_token_is_refused_where_the_file_does_not_say_whose_it_may_be(
        self, app: App, tmp_path: Path
    ) -> None:
        said = app.call("deploy", before=identity(app, tmp_path))
        refused(said, "deploy: COSIGN_IDENTITY_TOKEN is given", "signing.identity")
        root = sigstore.trusted_root(app.layout).read_text()
        text = (app.folder / "slipway.yaml").read_text()
        app.commit({"slipway.yaml": text + SIGNING, ROOT_FILE: root})

    def test_expired_token_is_one_line(self, app: App, tmp_path: Path) -> None:
        said = app.call("deploy", before=identity(app, tmp_path, seconds=-60))
        refused(said, "deploy: COSIGN_IDENTITY_TOKEN expired ", " s ago", "fetch a new one")
        assert app.tags(app.head()[:8]) == []

    def test_token_for_another_audience_is_one_line(self, app: App, tmp_path: Path) -> None:
        said = app.call("deploy", before=identity(app, tmp_path, audience="sts.example.com"))
        refused(said, "deploy: COSIGN_IDENTITY_TOKEN is for sts.example.com, not for sigstore")

    def test_token_of_another_workflow_is_one_line(self, app: App, tmp_path: Path) -> None:
        said = app.call("deploy", before=identity(app, tmp_path, workflow=OTHER))
        refused(said, f"deploy: COSIGN_IDENTITY_TOKEN is of {OTHER}")

    def test_key_is_refused_beside_an_identity(self, app: App) -> None:
        key = app.layout.credentials / "cosign.key"
        said = app.call("deploy", before=[f"--cosign-key=file://{key}"])
        refused(said, "deploy: COSIGN_KEY is given, and signing.identity says")


def test_token_that_fulcio_refuses_is_one_line(app: App, reference: str, tmp_path: Path) -> None:
    before = identity(app, tmp_path)
    token = tmp_path / "token"
    head, claims, _ = token.read_text().split(".")
    token.write_text(f"{head}.{claims}.{'A' * 342}")
    said = app.call("sign", before=before)
    refused(said, f"sign: {reference} could not be signed", "Fulcio returned 400", "identity token")
    assert claims not in said.stderr


def test_unsigned_image_stops_before_the_commit(app: App, reference: str) -> None:
    refused(app.call("gitops"), f"gitops: {reference} has no signature by {sigstore.IDENTITY}: nothing is")


def test_signature_of_another_identity_does_not_pass(app: App, reference: str, tmp_path: Path) -> None:
    server = {"majorApiVersion": 1, "validFor": {"start": "2020-01-01T00:00:00Z"}, "operator": "own"}
    servers = {
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": [{**server, "url": SIGSTORE}],
        "tsaUrls": [{**server, "url": f"{SIGSTORE}/api/v1/timestamp"}],
        "rekorTlogConfig": {},
        "tsaConfig": {"selector": "ANY"},
    }
    (tmp_path / "signing.json").write_text(json.dumps(servers))
    (tmp_path / "other").write_text(sigstore.token(app.layout, workflow=OTHER))
    with_it = [
        "--identity-token",
        str(tmp_path / "other"),
        "--signing-config",
        str(tmp_path / "signing.json"),
    ]
    root = ["--trusted-root", str(sigstore.trusted_root(app.layout))]
    done = app.cosign("sign", "--yes", *with_it, *root, reference)
    assert done.returncode == 0, done.stderr
    other = f"https://github.com/{OTHER}"
    assert app.cosign("verify", *by(app, other), reference).returncode == 0
    refused(
        app.call("verify"),
        f"verify: {reference} has no signature by {sigstore.IDENTITY}: another identity signed it",
    )


def test_signed_without_a_key_passes_and_again_changes_nothing(
    app: App, reference: str, tmp_path: Path
) -> None:
    signed = app.call("sign", before=identity(app, tmp_path))
    assert signed.code == 0, signed.error
    assert "Succeeded: SLSA provenance, SPDX SBOM, CycloneDX SBOM, signature beside sha256:" in signed.out
    verified = app.call("verify")
    assert verified.code == 0, verified.error
    assert reference.partition("@")[2][:19] in verified.out
    assert "are by this identity" in verified.out
    again = app.call("sign", before=identity(app, tmp_path))
    assert "Skipped: signed by this identity already" in again.out, again.error


def test_cosign_itself_agrees_and_knows_the_commit(app: App, reference: str) -> None:
    who = by(app, sigstore.IDENTITY)
    assert app.cosign("verify", *who, reference).returncode == 0
    done = app.cosign("verify-attestation", *who, "--type", "slsaprovenance1", reference)
    assert done.returncode == 0, done.stderr
    assert provenance.commits(done.stdout) == {app.head()}


def test_deploy_without_a_token_takes_what_is_signed(app: App) -> None:
    service = app.deploy()["services"][0]
    stages = [stage["stage"] for stage in service["stages"]]
    assert "sign" not in stages
    assert stages.index("push") < stages.index("verify") < stages.index("gitops")
    assert service["status"] == "Deployed"


def test_unreachable_fulcio_is_one_line_and_nothing_is_committed(app: App, tmp_path: Path) -> None:
    before = app.gitops_head()
    app.edit("slipway.yaml", f"fulcio: {SIGSTORE}", f"fulcio: {SIGSTORE.replace(':5443', ':5999')}")
    said = app.call("deploy", before=identity(app, tmp_path))
    assert said.code == 1
    assert "sign: " in said.error
    assert "could not be signed: " in said.error
    assert "connection refused" in said.error
    assert app.gitops_head() == before


def test_token_is_in_no_output(app: App, tmp_path: Path) -> None:
    app.edit("slipway.yaml", ":5999", ":5443")
    pushed = app.call("push")
    assert pushed.code == 0, pushed.error
    said = app.call("sign", before=identity(app, tmp_path), progress="plain")
    assert said.code == 0, said.error
    parts = (tmp_path / "token").read_text().split(".")
    assert [part for part in parts[1:] if part in said.out + said.stderr] == []
