"""What `slipway.yaml` says of previews: an environment for each branch or pull request (R29)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from slipway_host.names import DnsLabel, Model, problem

IMAGE = "image"


def _no_image(values: dict[str, Any]) -> dict[str, Any]:
    image = values.get(IMAGE)
    named = [key for key in ("tag", "digest") if isinstance(image, dict) and key in image]
    if named:
        raise problem("deploys write this to the values file, and these values win over it", IMAGE, named[0])
    return values


class Preview(Model):
    """Where the applications of a preview come from, and in what they differ."""

    from_: DnsLabel = Field(alias="from", description="environment whose applications it copies")
    values: Annotated[dict[str, Any], AfterValidator(_no_image)] = Field(
        default_factory=dict,
        description="Helm values that differ, over those of the copied file; {app}, {service} and "
        "{environment} in texts are filled in",
    )
    project: DnsLabel | None = Field(
        None, description="AppProject of its Applications; default: that of the copied ones"
    )
