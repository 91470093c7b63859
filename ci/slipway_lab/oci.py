"""Writes OCI images and artifacts, and puts them into a registry over HTTP."""

from __future__ import annotations

import gzip
import hashlib
import json
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slipway_lab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """Bytes in a file, with what a descriptor says of them."""

    path: Path
    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def descriptor(self) -> dict[str, Any]:
        """The OCI descriptor of the blob."""
        said: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        return {**said, "annotations": self.annotations} if self.annotations else said


def file_blob(path: Path, media_type: str, annotations: dict[str, str] | None = None) -> Blob:
    """Describe a file as a blob."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Blob(path, media_type, f"sha256:{digest}", path.stat().st_size, annotations or {})


def json_blob(folder: Path, content: object, media_type: str) -> Blob:
    """Write JSON into `folder` and describe it."""
    text = json.dumps(content, sort_keys=True).encode()
    path = folder / f"{hashlib.sha256(text).hexdigest()}.json"
    path.write_bytes(text)
    return file_blob(path, media_type)


def layer_blob(tar: Path) -> tuple[Blob, str]:
    """Compress a root file system's tar beside it; return the layer and its diff ID."""
    whole = hashlib.sha256()
    packed = tar.with_suffix(".tar.gz")
    # mtime=0: the same tar gives the same digest.
    with (
        tar.open("rb") as source,
        packed.open("wb") as sink,
        gzip.GzipFile(filename="", fileobj=sink, mode="wb", compresslevel=1, mtime=0) as target,
    ):
        while chunk := source.read(CHUNK):
            whole.update(chunk)
            target.write(chunk)
    return file_blob(packed, LAYER), f"sha256:{whole.hexdigest()}"


def image_blobs(tar: Path, *, config: dict[str, Any]) -> tuple[Blob, list[Blob]]:
    """Return config and layers of a one-layer image; `config` is the image config's `config` part."""
    layer, diff_id = layer_blob(tar)
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "slipway lab"}],
    }
    return json_blob(tar.parent, document, CONFIG), [layer]


class Registry:
    """A registry of the lab's own, with TLS by the lab's authority."""

    def __init__(self, host: str, *, ca: Path) -> None:
        import httpx

        trust = ssl.create_default_context(cafile=str(ca))
        self._client: httpx.Client = httpx.Client(base_url=f"https://{host}", verify=trust, timeout=120)

    def has(self, repository: str, tag: str) -> bool:
        """Return whether the tag exists."""
        answer = self._client.head(f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST})
        return answer.status_code == 200  # noqa: PLR2004 - HTTP's OK

    def push(self, repository: str, tag: str, config: Blob, layers: list[Blob]) -> None:
        """Upload what is missing and set the tag."""
        for blob in (config, *layers):
            self._upload(repository, blob)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor,
            "layers": [layer.descriptor for layer in layers],
        }
        self._expect(
            self._client.put(
                f"/v2/{repository}/manifests/{tag}",
                content=json.dumps(manifest),
                headers={"Content-Type": MANIFEST},
            )
        )

    def _upload(self, repository: str, blob: Blob) -> None:
        if self._client.head(f"/v2/{repository}/blobs/{blob.digest}").is_success:
            return
        started = self._expect(self._client.post(f"/v2/{repository}/blobs/uploads/"))
        with blob.path.open("rb") as stream:
            self._expect(
                self._client.put(
                    _with_digest(started.headers["Location"], blob.digest),
                    content=stream,
                    headers={"Content-Type": "application/octet-stream"},
                )
            )

    @staticmethod
    def _expect(answer: httpx.Response) -> httpx.Response:
        if not answer.is_success:
            request = answer.request
            raise LabError(f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:300]}")
        return answer


def _with_digest(location: str, digest: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"
