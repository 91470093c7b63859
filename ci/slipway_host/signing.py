"""What `slipway.yaml` says of signatures: by whom an image has to be signed, and who vouches for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from slipway_host.names import Identity, ImageReference, Model, RelativePath, ServerAddress, problem

if TYPE_CHECKING:
    from datetime import datetime

PRIVATE = ("fulcio", "timestamp_authority", "rekor", "trusted_root")


class Signing(Model):
    """cosign's image, and for keyless signatures the identity that signs and the instance of Sigstore."""

    image: ImageReference = Field("ghcr.io/sigstore/cosign/cosign:v3.1.3", description="image of cosign")
    identity: Identity | None = Field(
        None,
        description="who signs without a key, as in Fulcio's certificate; for a workflow on GitHub "
        "https://github.com/OWNER/REPOSITORY/.github/workflows/FILE@refs/heads/BRANCH. Default: "
        "images are signed by a key",
    )
    issuer: ServerAddress | None = Field(
        None,
        description="who vouches for the identity: its OIDC issuer, for GitHub "
        "https://token.actions.githubusercontent.com",
    )
    fulcio: ServerAddress | None = Field(
        None,
        description="address of your own Fulcio; without it and the three keys below, Sigstore's public one",
    )
    timestamp_authority: ServerAddress | None = Field(
        None, description="address of your own timestamp authority, with its path"
    )
    rekor: ServerAddress | None = Field(None, description="address of your own Rekor")
    trusted_root: RelativePath | None = Field(
        None,
        description="trusted root of your own instance, a file in the repository that `cosign trusted-root "
        "create` has written",
    )

    @property
    def keyless(self) -> bool:
        """Whether images are signed by an identity, and by no key."""
        return self.identity is not None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        # An identity means nothing without the one who vouches for it, and nobody may be just anybody.
        if (self.identity is None) != (self.issuer is None):
            given, missing = ("identity", "issuer") if self.identity else ("issuer", "identity")
            raise problem(f"{given} without {missing}: keyless signing needs both", given)
        own = [name for name in PRIVATE if getattr(self, name)]
        if not own:
            return self
        at = type(self).model_fields[own[0]].alias or own[0]
        if not self.keyless:
            raise problem(f"{at} without identity and issuer: it is for keyless signing", at)
        if not (self.fulcio and self.trusted_root and (self.timestamp_authority or self.rekor)):
            raise problem(
                "an instance of your own needs fulcio, trustedRoot, and timestampAuthority or rekor", at
            )
        return self


def signing_config(signing: Signing, since: datetime) -> dict[str, Any]:
    """Return what tells cosign which servers to sign with; without any of them it asks nobody.

    Args:
        signing: its addresses.
        since: from when on they are in use.

    https://github.com/sigstore/protobuf-specs defines the format.
    """

    def servers(url: str | None) -> list[dict[str, Any]]:
        start = f"{since:%Y-%m-%dT%H:%M:%SZ}"
        server = {"url": url, "majorApiVersion": 1, "validFor": {"start": start}, "operator": "own"}
        return [server] if url else []

    chosen = {"selector": "ANY"}
    return {
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": servers(signing.fulcio),
        "rekorTlogUrls": servers(signing.rekor),
        "rekorTlogConfig": chosen if signing.rekor else {},
        "tsaUrls": servers(signing.timestamp_authority),
        "tsaConfig": chosen if signing.timestamp_authority else {},
    }


def demanded(trusted_root: dict[str, Any]) -> list[str]:
    """Return cosign's flags for what an instance vouches with: what it has no root for, it does not have.

    Args:
        trusted_root: the parsed file.
    """
    flags = []
    if not trusted_root.get("ctlogs"):
        flags += ["--insecure-ignore-sct"]
    if not trusted_root.get("tlogs"):
        flags += ["--insecure-ignore-tlog"]
    if trusted_root.get("timestampAuthorities"):
        flags += ["--use-signed-timestamps"]
    return flags
