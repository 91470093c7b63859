"""Signs images with cosign and verifies what others signed; signatures are kept beside the image.

The key is one of the caller's. Nothing goes to a public transparency log and nothing is fetched from
Sigstore's servers: images may be private, and machines offline. Keyless signing needs both and an OIDC
token; it is not offered here.
"""

import base64
import datetime as dt
import hashlib
import json
import re
import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway import images, provenance
from slipway.credentials import how_to_give, reveal, reveal_optional
from slipway.sbom import sbom
from slipway_host.errors import ConflictError, NotFoundError, SettingsError, TerminalError, quote
from slipway_host.results import StageResult, Status
from slipway_host.run import new_run_id
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway.inputs import Stage
    from slipway.work import Work
    from slipway_host.settings import RegistrySettings

COSIGN = "ghcr.io/sigstore/cosign/cosign:v3.1.3"
USER = "65532"
"""Whom the image runs as: it has neither root nor a shell."""
PRIVATE, PUBLIC = "/keys/cosign.key", "/keys/cosign.pub"
DOCKER = "/docker"
# Both name no server at all: sign with the key, and ask nobody.
SIGNING_CONFIG = (
    '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}'
)
TRUSTED_ROOT = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
OFFLINE = "/offline"
SIGN = ["--yes", "--key", PRIVATE]
SIGN += ["--signing-config", f"{OFFLINE}/signing.json", "--trusted-root", f"{OFFLINE}/root.json"]
VERIFY = ["--key", PUBLIC, "--insecure-ignore-tlog", "--output", "json"]

SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"
CYCLONEDX = "https://cyclonedx.org/bom"
PARTS = {
    PROVENANCE: "SLSA provenance",
    SPDX: "SPDX SBOM",
    CYCLONEDX: "CycloneDX SBOM",
    SIGNATURE: "signature",
}
"""What is put beside an image; the signature last, so that a signed image has all of it."""
TYPES = {PROVENANCE: "slsaprovenance1", SPDX: "spdxjson", CYCLONEDX: "cyclonedx"}
UNSIGNED = re.compile(r"no signatures found|no matching (signatures|attestations)")
NOT_OURS = re.compile(r"no matching (signatures|attestations): \S")
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


class SigningError(TerminalError):
    """cosign did not do its work: nothing is known about signatures."""


class SignatureError(TerminalError):
    """An image is not signed by the key, or its provenance is another's."""


async def sign(
    work: "Work", digest: str, *, optional: bool = False, run_id: str = "", began: dt.datetime | None = None
) -> StageResult:
    """Put signature, SLSA provenance and both SBOMs beside an image, where they are not yet.

    Args:
        work: the service.
        digest: of its pushed image.
        optional: without a key, skip this instead of refusing.
        run_id: of the run that pushed it, for the provenance.
        began: when that run began.

    Raises:
        SettingsError: no key, or a password that does not open it.
        SigningError: cosign or the registry refused.
    """
    inputs = work.inputs
    if optional and await reveal_optional(inputs.cosign_key, "COSIGN_KEY", multiline=True) is None:
        return StageResult(stage="sign", status=Status.SKIPPED, summary="no COSIGN_KEY is given")
    reference = f"{work.target.repository}@{digest}"
    settings = await work.registry()
    signer = (
        (await _with_private_key(_cosign(settings), inputs))
        .with_new_file(f"{OFFLINE}/signing.json", SIGNING_CONFIG)
        .with_new_file(f"{OFFLINE}/root.json", TRUSTED_ROOT)
    )
    public = await _public_key(signer)
    verifier = _fresh(_cosign(settings)).with_new_file(PUBLIC, public)
    there, _ = read(await _run(verifier, ["verify", *VERIFY, reference]), reference)
    missing = [kind for kind in PARTS if kind not in there]
    if not missing:
        return StageResult(
            stage="sign",
            status=Status.SKIPPED,
            summary="signed by this key already",
            outputs={"digest": digest, "added": []},
        )
    signer = _fresh(signer)
    for kind, path, file in await _predicates(work, digest, missing, run_id=run_id, began=began):
        command = ["attest", *SIGN, "--type", TYPES[kind], "--predicate", path, reference]
        signer = signer.with_mounted_file(path, file, owner=USER).with_exec(command, use_entrypoint=True)
    if SIGNATURE in missing:
        signer = signer.with_exec(["sign", *SIGN, reference], use_entrypoint=True)
    try:
        await signer.sync()
    except dagger.ExecError as error:
        raise SigningError(f"{reference} could not be signed: {_words(error.stderr)}") from error
    added = [PARTS[kind] for kind in missing]
    return StageResult(
        stage="sign",
        status=Status.SUCCEEDED,
        summary=f"{', '.join(added)} beside {digest[:19]}…",
        outputs={"digest": digest, "added": added},
    )


async def verify(work: "Work", digest: str) -> StageResult:
    """Check that an image has a signature and provenance by the key, and that both are of this commit.

    Raises:
        SettingsError: no key.
        SignatureError: they are missing, by another key, or of another commit.
        SigningError: cosign could not find out.
    """
    reference = f"{work.target.repository}@{digest}"
    settings = await work.registry()
    cosign = _fresh(await _with_public_key(_cosign(settings), work.inputs))
    attested = ["verify-attestation", *VERIFY, "--type", TYPES[PROVENANCE], reference]
    checked, (_, said, _) = await together(
        partial(_run, cosign, ["verify", *VERIFY, reference]), partial(_run, cosign, attested)
    )
    valid, why = read(checked, reference)
    for kind in (SIGNATURE, PROVENANCE):
        if kind not in valid:
            raise SignatureError(
                f"{reference} has no {PARTS[kind]} by the given key: {why}",
                next_command=f"dagger call sign --service={work.name}, with the key that belongs to it",
            )
    named = provenance.commits(said)
    if work.checkout.commit not in named:
        raise ConflictError(
            f"{reference} has provenance of commit {', '.join(sorted(named)) or 'none'}, "
            f"not of {work.checkout.commit}",
            next_command="find out who built that image; another commit gives the image a tag of its own",
        )
    found = [name for kind, name in PARTS.items() if kind in valid]
    return StageResult(
        stage="verify",
        status=Status.SUCCEEDED,
        summary=f"{', '.join(found)} of {digest[:19]}… are by this key",
        outputs={"digest": digest, "verified": found},
    )


def _cosign(settings: "RegistrySettings") -> dagger.Container:
    """Return cosign with the account at the registry."""
    host = "https://index.docker.io/v1/" if settings.host in _DOCKER_HUB else settings.host
    pair = f"{settings.username}:{settings.password.get_secret_value()}".encode()
    text = json.dumps({"auths": {host: {"auth": base64.b64encode(pair).decode()}}})
    # One name, one value: two accounts in one session must not share it.
    name = f"slipway-docker-config-{hashlib.sha256(f'{host} {settings.username}'.encode()).hexdigest()[:12]}"
    config = dag.set_secret(name, text)
    return (
        dag.container()
        .from_(COSIGN)
        .with_mounted_secret(f"{DOCKER}/config.json", config, owner=USER, mode=0o400)
        .with_env_variable("DOCKER_CONFIG", DOCKER)
    )


def _fresh(container: dagger.Container) -> dagger.Container:
    """Return the container such that the engine runs it anew: a registry is no constant."""
    return container.with_env_variable("SLIPWAY_ASKED", str(time.time_ns()))


async def _with_private_key(container: dagger.Container, inputs: "Stage") -> dagger.Container:
    await reveal(inputs.cosign_key, "COSIGN_KEY", multiline=True)
    assert inputs.cosign_key is not None  # noqa: S101 - reveal() has raised otherwise
    container = container.with_mounted_secret(PRIVATE, inputs.cosign_key, owner=USER, mode=0o400)
    if await reveal_optional(inputs.cosign_password, "COSIGN_PASSWORD") is None:
        return container.with_env_variable("COSIGN_PASSWORD", "")
    assert inputs.cosign_password is not None  # noqa: S101 - it has a text
    return container.with_secret_variable("COSIGN_PASSWORD", inputs.cosign_password)


async def _with_public_key(container: dagger.Container, inputs: "Stage") -> dagger.Container:
    """Add the key to verify with: the given one, else the private key's own."""
    if await reveal_optional(inputs.cosign_public_key, "COSIGN_PUBLIC_KEY", multiline=True) is not None:
        assert inputs.cosign_public_key is not None  # noqa: S101 - it has a text
        return container.with_mounted_secret(PUBLIC, inputs.cosign_public_key, owner=USER, mode=0o400)
    if inputs.cosign_key is None:
        source = "file://cosign.pub"
        raise SettingsError(
            "COSIGN_PUBLIC_KEY is not given", next_command=how_to_give("COSIGN_PUBLIC_KEY", source=source)
        )
    return container.with_new_file(PUBLIC, await _public_key(await _with_private_key(container, inputs)))


async def _public_key(signer: dagger.Container) -> str:
    try:
        return await signer.with_exec(["public-key", "--key", PRIVATE], use_entrypoint=True).stdout()
    except dagger.ExecError as error:
        raise SettingsError(
            f"COSIGN_KEY is no key of cosign's, or COSIGN_PASSWORD does not open it: {_words(error.stderr)}",
            next_command="check both, then run the same command",
        ) from error


async def _run(cosign: dagger.Container, command: list[str]) -> tuple[int, str, str]:
    """Return how a command ended and both of its streams."""
    done = cosign.with_exec(command, use_entrypoint=True, expect=dagger.ReturnType.ANY)
    return await done.exit_code(), await done.stdout(), await done.stderr()


def read(checked: tuple[int, str, str], reference: str) -> tuple[set[str], str]:
    """Return the kinds of what the mounted key signed, and why others are not among them.

    `cosign verify` takes any statement by the key as a signature, an SBOM too; which ones there are, it
    says in its output.

    Args:
        checked: exit code, output and errors of `cosign verify`.
        reference: the image, for the error.

    Raises:
        SigningError: cosign could not find out.
    """
    code, said, stderr = checked
    if code == 0:
        valid = {str(statement["critical"]["type"]) for statement in json.loads(said)}
        return valid, "that key has signed other statements"
    if not UNSIGNED.search(stderr):
        raise SigningError(f"{reference} could not be verified: {_words(stderr)}")
    return set(), "another key signed it" if NOT_OURS.search(stderr) else "nothing is signed"


def _words(stderr: str) -> str:
    """Return cosign's last words."""
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
    return quote(lines[-1].removeprefix("error during command execution: ") if lines else "", limit=300)


async def _predicates(
    work: "Work", digest: str, missing: list[str], *, run_id: str, began: dt.datetime | None
) -> list[tuple[str, str, dagger.File]]:
    """Return the documents that are still to be attested: kind, path and file."""
    found: list[tuple[str, str, dagger.File]] = []
    if PROVENANCE in missing:
        document = provenance.predicate(
            work.recipe,
            service=work.name,
            environment=work.target.environment,
            commit=work.checkout.commit,
            url=work.checkout.url,
            versions={"slipway": version("slipway"), "dagger": await dag.version()},
            run_id=run_id or new_run_id(),
            began=began,
            ended=dt.datetime.now(dt.UTC),
        )
        file = dag.file("provenance.json", json.dumps(document))
        found.append((PROVENANCE, "/predicates/provenance.json", file))
    if SPDX in missing or CYCLONEDX in missing:
        settings = await work.registry()
        there = await work.tagged(digest)
        if there is None:
            raise NotFoundError(f"{work.target.repository}@{digest} is not in the registry")
        image = images.pulled(work.target.repository, there, settings, work.secret("registry_password"))
        both = await sbom(work.checkout, image, name=work.address, digest=digest)
        for kind, file in ((SPDX, both.spdx), (CYCLONEDX, both.cyclonedx)):
            if kind in missing:
                found.append((kind, f"/predicates/{TYPES[kind]}.json", file))
    return found
