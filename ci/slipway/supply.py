"""Signs images with cosign and verifies what others signed; signatures are kept beside the image."""

import datetime as dt
import json
import re
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway import cosign, images, provenance, trust
from slipway.sbom import sbom
from slipway_host import caller
from slipway_host.errors import ConflictError, NotFoundError, TerminalError
from slipway_host.results import StageResult, Status
from slipway_host.run import new_run_id
from slipway_host.together import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.work import Work

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
SIGN_AS = {"key": "with the key that belongs to it", "identity": "as that identity"}
UNSIGNED = re.compile(r"no signatures found|no matching (signatures|attestations)")
NOT_OURS = re.compile(r"no matching (signatures|attestations): \S")


class SignatureError(TerminalError):
    """An image is not signed by whom it has to be, or its provenance is another's."""


async def sign(
    work: "Work", digest: str, *, run_id: str = "", began: dt.datetime | None = None
) -> StageResult:
    """Put signature, SLSA provenance and both SBOMs beside an image, where they are not yet.

    Args:
        work: the service.
        digest: of its pushed image.
        run_id: of the run that pushed it, for the provenance.
        began: when that run began.

    Raises:
        SettingsError: nothing to sign with, or what is given cannot be used.
        SigningError: cosign, a server of Sigstore's or the registry refused.
    """
    reference = f"{work.target.repository}@{digest}"
    signer = await trust.signer(work)
    verifier = signer.verifier
    asked = await cosign.run(cosign.fresh(verifier.container), ["verify", *verifier.flags, reference])
    there, _ = read(asked, reference, kind=verifier.kind)
    missing = [kind for kind in PARTS if kind not in there]
    if not missing:
        return StageResult(
            stage="sign",
            status=Status.SKIPPED,
            summary=f"signed by this {verifier.kind} already",
            outputs={"digest": digest, "added": []},
        )
    container = cosign.fresh(signer.container)
    for kind, path, file in await _predicates(work, digest, missing, run_id=run_id, began=began):
        command = ["attest", *signer.flags, "--type", TYPES[kind], "--predicate", path, reference]
        container = container.with_mounted_file(path, file, owner=cosign.USER)
        container = container.with_exec(command, use_entrypoint=True)
    if SIGNATURE in missing:
        container = container.with_exec(["sign", *signer.flags, reference], use_entrypoint=True)
    try:
        await container.sync()
    except dagger.ExecError as error:
        raise cosign.SigningError(f"{reference} could not be signed: {cosign.words(error.stderr)}") from error
    added = [PARTS[kind] for kind in missing]
    return StageResult(
        stage="sign",
        status=Status.SUCCEEDED,
        summary=f"{', '.join(added)} beside {digest[:19]}…",
        outputs={"digest": digest, "added": added},
    )


async def verify_required(works: "Sequence[Work]", digests: "Sequence[str]") -> None:
    """Check the images of services whose environment requires a signature; as `verify`."""
    pairs = zip(works, digests, strict=True)
    await together(*(partial(verify, *pair) for pair in pairs if pair[0].environment.require_signature))


async def verify(work: "Work", digest: str) -> StageResult:
    """Check that an image is signed as `slipway.yaml` says, and has provenance of this commit.

    Raises:
        SettingsError: nothing to verify with.
        SignatureError: signature or provenance are missing, or another's.
        ConflictError: the provenance is of another commit.
        SigningError: cosign could not find out.
    """
    reference = f"{work.target.repository}@{digest}"
    verifier = await trust.verifier(work)
    container = cosign.fresh(verifier.container)
    attested = ["verify-attestation", *verifier.flags, "--type", TYPES[PROVENANCE], reference]
    checked, (_, said, _) = await together(
        partial(cosign.run, container, ["verify", *verifier.flags, reference]),
        partial(cosign.run, container, attested),
    )
    valid, why = read(checked, reference, kind=verifier.kind)
    for kind in (SIGNATURE, PROVENANCE):
        if kind not in valid:
            raise SignatureError(
                f"{reference} has no {PARTS[kind]} by {verifier.name}: {why}",
                next_command=f"{caller.command('sign', f'--service={work.name}')}, {SIGN_AS[verifier.kind]}",
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
        summary=f"{', '.join(found)} of {digest[:19]}… are by this {verifier.kind}",
        outputs={"digest": digest, "verified": found},
    )


def read(checked: tuple[int, str, str], reference: str, *, kind: str) -> tuple[set[str], str]:
    """Return the kinds of what the key or identity signed, and why others are not among them.

    `cosign verify` takes any statement as a signature, an SBOM too; which ones there are, it says in its
    output.

    Args:
        checked: exit code, output and errors of `cosign verify`.
        reference: the image, for the error.
        kind: of the signer, `key` or `identity`.

    Raises:
        SigningError: cosign could not find out.
    """
    code, said, stderr = checked
    if code == 0:
        valid = {str(statement["critical"]["type"]) for statement in json.loads(said)}
        return valid, f"that {kind} has signed other statements"
    if not UNSIGNED.search(stderr):
        raise cosign.SigningError(f"{reference} could not be verified: {cosign.words(stderr)}")
    return set(), f"another {kind} signed it" if NOT_OURS.search(stderr) else "nothing is signed"


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
