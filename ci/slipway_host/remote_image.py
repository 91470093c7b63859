"""What a registry has under a tag: an image, or an index of one image for each platform."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer as the registry keeps it.

    Args:
        digest: of its compressed bytes; images that share a layer name the same one.
        size: compressed bytes, what a node downloads.
    """

    digest: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Variant:
    """An image for one platform, as the registry has it.

    Args:
        platform: `linux/amd64`, `linux/arm/v7`; what its config says.
        digest: of its manifest, `sha256:` and 64 hexadecimal characters.
        image_id: the image config's digest; the same image has the same one everywhere.
        labels: OCI labels of the image config.
        layers: bottom first.
    """

    platform: str
    digest: str
    image_id: str
    labels: dict[str, str] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RemoteImage:
    """What the registry has under a tag: an image, or an index of one for each platform.

    Args:
        digest: of what the tag names, an index or the one manifest.
        variants: the images in it; one with the same digest where there is no index.
    """

    digest: str
    variants: tuple[Variant, ...]

    @property
    def image_ids(self) -> frozenset[str]:
        """Digests of all configs: what was scanned is compared with them."""
        return frozenset(variant.image_id for variant in self.variants)

    @property
    def manifests(self) -> frozenset[str]:
        """Digests of all manifests: a node may name its own platform's where the index was asked for."""
        return frozenset(variant.digest for variant in self.variants)

    def document(self) -> dict[str, Any]:
        """Return what the receipt keeps of it."""
        return {
            "digest": self.digest,
            "manifests": {variant.platform: variant.digest for variant in self.variants},
            "imageIds": {variant.platform: variant.image_id for variant in self.variants},
            "layers": {
                variant.platform: [{"digest": layer.digest, "size": layer.size} for layer in variant.layers]
                for variant in self.variants
            },
        }

    def labelled(self, name: str) -> frozenset[str]:
        """Return a label's values, "" for a platform without it; one where all platforms agree."""
        return frozenset(variant.labels.get(name, "") for variant in self.variants)
