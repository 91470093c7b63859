"""Lists what an image contains, by Trivy: one scan, which is then written as SPDX and as CycloneDX."""

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import dagger
from dagger import dag

from slipway_host.errors import ScannerError, quote
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway.checkout import Checkout
    from slipway.images import Image

CACHE = "/trivy"
REPORT = "/report.json"
SPDX, CYCLONEDX = "sbom.spdx.json", "sbom.cdx.json"
FORMATS = {SPDX: "spdx-json", CYCLONEDX: "cyclonedx"}
# Licences are the one scanner that needs no database; without any scanner, Trivy writes no JSON.
LIST = ["trivy", "image", "--cache-dir", CACHE, "--scanners", "license", "--list-all-pkgs", "--no-progress"]
LIST += ["--skip-version-check", "--offline-scan", "--format", "json", "--output", REPORT]


@dataclass(frozen=True, kw_only=True)
class Sbom:
    """The two documents of one image."""

    spdx: dagger.File
    cyclonedx: dagger.File


async def sbom(checkout: "Checkout", image: "Image", *, name: str, digest: str = "") -> Sbom:
    """Return the documents of an image; one of several platforms has what is in any of them.

    Where there are several, each place in the image is named with its platform.

    Args:
        checkout: names the Trivy image.
        image: a built or a pulled image.
        name: what the documents call it, its repository and tag.
        digest: its digest, where it is in a registry.

    Raises:
        ScannerError: Trivy could not read it.
    """
    trivy = dag.container().from_(checkout.config.scanner.image)
    try:
        listed = await together(*(partial(_listed, trivy, one) for one in image.variants.values()))
        report = joined(dict(zip(image.variants, listed, strict=True)))
        written = trivy.with_new_file(REPORT, json.dumps(titled(report, name=name, digest=digest)))
        for path, kind in FORMATS.items():
            written = written.with_exec(
                ["trivy", "convert", "--format", kind, "--output", f"/{path}", REPORT]
            )
        written = await written.sync()
    except dagger.ExecError as error:
        raise ScannerError(
            f"could not list what is in {name}: {quote((error.stderr or error.stdout)[-600:])}",
            next_command="run the same command; scanner.image names Trivy's image",
        ) from error
    return Sbom(spdx=written.file(f"/{SPDX}"), cyclonedx=written.file(f"/{CYCLONEDX}"))


async def _listed(trivy: dagger.Container, image: dagger.Container) -> dict[str, Any]:
    layers = dag.cache_volume("slipway-trivy-layers")
    # The layers that the scan unpacked are in this cache, and are not unpacked again.
    listed = (
        trivy.with_mounted_cache(f"{CACHE}/fanal", layers, sharing=dagger.CacheSharingMode.LOCKED)
        .with_mounted_file("/image.tar", image.as_tarball())
        .with_exec([*LIST, "--input", "/image.tar"])
    )
    report: dict[str, Any] = json.loads(await listed.file(REPORT).contents())
    return report


def joined(reports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the reports of an image's platforms as one: that of the first, with the places of all.

    Args:
        reports: platform → Trivy's report.
    """
    first = next(iter(reports.values()))
    if len(reports) == 1:
        return first
    results = [
        {**result, "Target": f"{result.get('Target', '')} ({platform})"}
        for platform, report in reports.items()
        for result in report.get("Results") or []
    ]
    return {**first, "Results": results}


def titled(report: dict[str, Any], *, name: str, digest: str) -> dict[str, Any]:
    """Return Trivy's report with the image's own name: Trivy saw a file, and would name that."""
    metadata = {**(report.get("Metadata") or {}), "RepoTags": [name]}
    repository = name.rpartition(":")[0]
    if digest:
        metadata |= {"RepoDigests": [f"{repository}@{digest}"], "Reference": f"{repository}@{digest}"}
    return {**report, "ArtifactName": f"{repository}@{digest}" if digest else name, "Metadata": metadata}
