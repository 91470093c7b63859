"""What cosign says, in its own words: signed, signed by another, not signed, or not known."""

import json

import pytest

from slipway.cosign import SigningError
from slipway.sbom import titled
from slipway.supply import PARTS, PROVENANCE, SIGNATURE, SPDX, read

IMAGE = "registry.example/acme/api@sha256:cbbe"
WARNING = "WARNING: Skipping tlog verification is an insecure practice that lacks transparency.\n"
THRESHOLD = "could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1"
NOTHING = f"{WARNING}Error: no signatures found\nerror during command execution: no signatures found\n"
OTHER = f"{WARNING}Error: no matching attestations: failed to verify signature: {THRESHOLD}\n"
REFUSED = (
    "error during command execution: GET https://registry.example/v2/acme/api/manifests/sha256-cbbe.sig: "
    "UNAUTHORIZED: authentication required"
)


def statement(kind: str) -> dict[str, object]:
    return {"critical": {"identity": {}, "image": {}, "type": kind}, "optional": {}}


def test_kinds_are_those_that_the_key_signed() -> None:
    said = json.dumps([statement(kind) for kind in (PROVENANCE, SIGNATURE, SIGNATURE)])
    assert read((0, f"\n{said}\n", ""), IMAGE, kind="key")[0] == {PROVENANCE, SIGNATURE}


def test_an_sbom_by_the_key_is_no_signature() -> None:
    valid, why = read((0, json.dumps([statement(SPDX)]), WARNING), IMAGE, kind="key")
    assert SIGNATURE not in valid
    assert why == "that key has signed other statements"


def test_unsigned_and_signed_by_another_key_differ() -> None:
    assert read((10, "", NOTHING), IMAGE, kind="key") == (set(), "nothing is signed")
    assert read((1, "", OTHER), IMAGE, kind="key") == (set(), "another key signed it")


@pytest.mark.parametrize("stderr", [REFUSED, "", 'Error: Get "https://registry.example/v2/": refused'])
def test_not_being_able_to_find_out_is_an_error(stderr: str) -> None:
    with pytest.raises(SigningError, match="could not be verified"):
        read((1, "", stderr), IMAGE, kind="key")


def test_error_has_the_last_words_without_the_warning() -> None:
    with pytest.raises(SigningError) as caught:
        read((1, "", f"{WARNING}{REFUSED}\n"), IMAGE, kind="key")
    assert caught.value.cause.endswith("UNAUTHORIZED: authentication required")
    assert "WARNING" not in caught.value.cause


def test_the_signature_comes_last_so_that_a_signed_image_has_all() -> None:
    assert list(PARTS)[-1] == SIGNATURE


def test_documents_name_the_image_and_not_the_file_that_trivy_saw() -> None:
    report = {"SchemaVersion": 2, "ArtifactName": "/image.tar", "Metadata": {"ImageID": "sha256:1"}}
    found = titled(report, name="registry.example:5000/acme/api:0e123456", digest="sha256:cbbe")
    assert found["ArtifactName"] == "registry.example:5000/acme/api@sha256:cbbe"
    assert found["Metadata"] == {
        "ImageID": "sha256:1",
        "RepoTags": ["registry.example:5000/acme/api:0e123456"],
        "RepoDigests": ["registry.example:5000/acme/api@sha256:cbbe"],
        "Reference": "registry.example:5000/acme/api@sha256:cbbe",
    }
    assert report["ArtifactName"] == "/image.tar"


def test_an_image_that_is_in_no_registry_is_named_by_its_tag() -> None:
    found = titled({"ArtifactName": "/image.tar"}, name="registry.example/acme/api:x-dirty", digest="")
    assert found["ArtifactName"] == "registry.example/acme/api:x-dirty"
    assert "RepoDigests" not in found["Metadata"]
