"""An image in the lab's own registry, where pulling needs an account."""

from __future__ import annotations

import json
import shutil
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from slipway_lab import credentials
from slipway_lab.layout import MIRROR, REGISTRY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway_lab.layout import Layout

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SOURCE = "library/python"


@dataclass(frozen=True)
class Images:
    """Copies of the mirror's Python under a repository of a test's own, each tag with a digest of its own."""

    layout: Layout
    repository: str

    def push(self, tag: str, *, label: str = "", labels: Mapping[str, str] | None = None) -> None:
        """Put a copy under a tag; another label makes another digest."""
        trust = ssl.create_default_context(cafile=str(self.layout.ca))
        account = (credentials.REGISTRY_USER, credentials.read(self.layout, "registry"))
        with (
            httpx.Client(base_url=f"https://{MIRROR}/v2/{SOURCE}", verify=trust, timeout=60) as source,
            httpx.Client(
                base_url=f"https://{REGISTRY}/v2/{self.repository}", verify=trust, auth=account, timeout=60
            ) as sink,
        ):
            found = source.get("/manifests/3.13-slim", headers={"Accept": MANIFEST}).raise_for_status().json()
            config = source.get(f"/blobs/{found['config']['digest']}").raise_for_status().json()
            config["config"]["Labels"] = {"test": label or tag, **(labels or {})}
            for layer in found["layers"]:
                if not sink.head(f"/blobs/{layer['digest']}").is_success:
                    blob = source.get(f"/blobs/{layer['digest']}").raise_for_status().content
                    self._upload(sink, blob, layer["digest"])
            found["config"] |= self._json(sink, config)
            body = json.dumps(found)
            headers = {"Content-Type": MANIFEST}
            sink.put(f"/manifests/{tag}", content=body, headers=headers).raise_for_status()

    def digest(self, tag: str) -> str:
        """Return the digest that the registry has under a tag."""
        trust = ssl.create_default_context(cafile=str(self.layout.ca))
        account = (credentials.REGISTRY_USER, credentials.read(self.layout, "registry"))
        address = f"https://{REGISTRY}/v2/{self.repository}/manifests/{tag}"
        answer = httpx.head(address, headers={"Accept": MANIFEST}, verify=trust, auth=account, timeout=60)
        return str(answer.raise_for_status().headers["Docker-Content-Digest"])

    def _json(self, sink: httpx.Client, document: dict[str, Any]) -> dict[str, Any]:
        import hashlib

        data = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self._upload(sink, data, digest)
        return {"digest": digest, "size": len(data)}

    @staticmethod
    def _upload(sink: httpx.Client, data: bytes, digest: str) -> None:
        place = sink.post("/blobs/uploads/").raise_for_status().headers["Location"]
        joint = "&" if "?" in place else "?"
        sink.put(f"{place}{joint}digest={digest}", content=data).raise_for_status()

    def remove(self) -> None:
        """Take the repository out of the registry's storage."""
        folder = self.layout.state / "registry/docker/registry/v2/repositories" / self.repository
        shutil.rmtree(folder)
