"""R8 on the lab: SBOM, signature and provenance of one service's image, by cosign and in the registry.

The tests of this file are one story and run in their order.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from slipway import provenance
from slipway_host.registry import RegistryClient
from slipway_host.settings import RegistrySettings
from slipway_lab import command, credentials, lab
from slipway_lab.layout import REGISTRY
from support.app import App, refused

PACKAGE = "github.com/jackc/pgx/v5"
MIGRATION = """    database: {}
    migration:
      image: docker.io/library/postgres:17
      runAsUser: 65534
      command: [sh, -c, echo migrated]
"""
REQUIRED = """
environments:
  dev:
    requireSignature: true
"""


@pytest.fixture(scope="module", autouse=True)
def signing(app: App) -> None:
    """Give the repository a key, as a team that signs has one."""
    with (app.folder / ".env").open("a") as defaults:
        defaults.write(lab.signing_defaults(app.layout))


@pytest.fixture(scope="module")
def other_key(app: App, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a key pair that nobody uses."""
    folder = tmp_path_factory.mktemp("other-key")
    credentials.signing_key(app.layout, folder, "another-password")
    (folder / "password").write_text("another-password")
    return folder


@pytest.fixture(scope="module")
def reference(app: App) -> str:
    """The pushed image, by digest."""
    return pushed(app)


def pushed(app: App) -> str:
    said = app.call("push")
    assert said.code == 0, said.error
    return said.out.split()[-1]


def names(document: dict[str, Any], key: str) -> set[str]:
    return {package["name"] for package in document[key]}


def test_sbom_names_a_package_of_the_image_in_both_formats(app: App, tmp_path: Path) -> None:
    said = app.call("sbom", "export", f"--path={tmp_path}")
    assert said.code == 0, said.error
    spdx = json.loads((tmp_path / app.name / "sbom.spdx.json").read_text())
    cyclonedx = json.loads((tmp_path / app.name / "sbom.cdx.json").read_text())
    assert spdx["spdxVersion"].startswith("SPDX-2")
    assert cyclonedx["bomFormat"] == "CycloneDX"
    assert PACKAGE in names(spdx, "packages")
    assert PACKAGE in names(cyclonedx, "components")
    assert spdx["name"] == f"{REGISTRY}/mosuon/{app.name}:{app.head()[:8]}"


def test_unsigned_image_does_not_pass(app: App, reference: str) -> None:
    refused(app.call("verify"), f"verify: {reference} has no signature by the given key: nothing is signed")


def test_signed_image_passes(app: App, reference: str) -> None:
    signed = app.call("sign")
    assert signed.code == 0, signed.error
    assert "Succeeded: SLSA provenance, SPDX SBOM, CycloneDX SBOM, signature beside sha256:" in signed.out
    verified = app.call("verify")
    assert verified.code == 0, verified.error
    assert reference.partition("@")[2][:19] in verified.out
    assert "SLSA provenance" in verified.out


def test_signing_again_changes_nothing(app: App, reference: str) -> None:
    def beside() -> list[str]:
        # In any order.
        return sorted(app.cosign("tree", reference).stdout.split())

    before = beside()
    assert sum("sha256:" in word for word in before) > 4
    said = app.call("sign")
    assert said.code == 0, said.error
    assert "Skipped: signed by this key already" in said.out
    assert beside() == before


def test_cosign_itself_agrees_and_provenance_says_how_it_was_built(app: App, reference: str) -> None:
    key = ["--key", str(app.layout.credentials / "cosign.pub"), "--insecure-ignore-tlog"]
    assert app.cosign("verify", *key, reference).returncode == 0
    typed = ["--type", "slsaprovenance1"]
    done = app.cosign("verify-attestation", *key, *typed, reference)
    assert done.returncode == 0, done.stderr
    assert provenance.commits(done.stdout) == {app.head()}
    for kind in ("spdxjson", "cyclonedx"):
        done = app.cosign("verify-attestation", *key, "--type", kind, reference)
        assert done.returncode == 0, done.stderr


def test_another_key_does_not_pass(app: App, other_key: Path, reference: str) -> None:
    said = app.call("verify", before=[f"--cosign-public-key=file://{other_key}/cosign.pub"])
    refused(said, f"verify: {reference} has no signature by the given key: another key signed it")


def test_wrong_password_of_the_key_is_one_line(app: App, other_key: Path, reference: str) -> None:
    assert reference
    said = app.call("sign", before=[f"--cosign-password=file://{other_key}/password"])
    refused(said, "sign: COSIGN_KEY", "COSIGN_PASSWORD does not open it")
    assert "another-password" not in said.stderr


def test_next_commits_image_is_not_signed_by_the_last_ones_signature(app: App, reference: str) -> None:
    app.edit("main.go", '"drained"', '"drained, and signed"')
    fresh = pushed(app)
    assert fresh != reference
    refused(app.call("verify"), f"verify: {fresh} has no signature by the given key: nothing is signed")


def test_deploy_signs_and_verifies_before_the_commit(app: App) -> None:
    app.edit("main.go", '"drained, and signed"', '"drained, signed and deployed"')
    service = app.deploy()["services"][0]
    stages = [stage["stage"] for stage in service["stages"]]
    assert stages[stages.index("push") : stages.index("gitops")] == [
        "push",
        "sign",
        "verify",
        "secrets",
        "database",
    ]
    assert service["status"] == "Deployed"


def test_migrate_runs_no_image_without_the_required_signature(app: App) -> None:
    text = (app.folder / "slipway.yaml").read_text().replace("    database: {}\n", MIGRATION)
    app.commit({"slipway.yaml": text + REQUIRED})
    fresh = pushed(app)
    refused(app.call("migrate"), f"migrate: {fresh} has no signature by the given key: nothing is signed")
    assert app.kubectl("get", "jobs", "-o", "name") == ""
    signed = app.call("sign")
    assert signed.code == 0, signed.error
    done = app.call("migrate", progress="plain")
    assert done.code == 0, done.error
    assert f"{app.name}: Succeeded: Job {app.name}-migrate-" in done.out
    assert "migrated" in done.stderr


def test_rollback_returns_only_to_an_image_with_the_required_signature(app: App) -> None:  # R16
    unsigned, good = (
        command.run(["git", "-C", app.folder, "rev-parse", f"HEAD~{back}"]).strip()[:8] for back in (2, 1)
    )
    written = app.call("gitops")
    assert written.code == 0, written.error
    head = app.gitops_head()
    refused(app.call("rollback", f"--to={unsigned}"), "has no signature by the given key: nothing is signed")
    assert app.gitops_head() == head

    done = app.call("rollback", "--receipt-only")
    assert done.code == 0, done.error
    (service,) = json.loads(done.out)["services"]
    stages = [stage["stage"] for stage in service["stages"]]
    assert (service["status"], service["rollback"]["to"]) == ("Deployed", good)
    assert stages.index("verify") < stages.index("gitops") < stages.index("proof")


def test_secrets_are_in_no_output_and_not_beside_the_image(app: App) -> None:
    said = app.call("sign", progress="plain")
    assert said.code == 0, said.error
    key = ["--key", str(app.layout.credentials / "cosign.pub"), "--insecure-ignore-tlog"]
    typed = ["--type", "slsaprovenance1"]
    beside = app.cosign("verify-attestation", *key, *typed, pushed(app)).stdout
    text = said.out + said.stderr + base64.b64decode(json.loads(beside)["payload"]).decode()
    password = credentials.read(app.layout, "registry")
    secrets = [password, base64.b64encode(f"{credentials.REGISTRY_USER}:{password}".encode()).decode()]
    secrets += [credentials.read(app.layout, "cosign-password")]
    secrets += credentials.read(app.layout, "cosign.key").splitlines()[1:-1]
    assert [secret for secret in secrets if secret in text] == []


async def test_signatures_are_beside_the_image_and_change_no_tag(app: App, reference: str) -> None:
    password = SecretStr(credentials.read(app.layout, "registry"))
    settings = RegistrySettings(host=REGISTRY, username=credentials.REGISTRY_USER, password=password)
    repository, _, digest = reference.removeprefix(f"{REGISTRY}/").partition("@")
    async with RegistryClient(settings) as client:
        beside = await client.find(repository, digest.replace(":", "-"))
        image = await client.find(repository, digest)
    assert beside is not None
    assert image is not None
    assert image.digest == digest
