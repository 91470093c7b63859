"""What a Dockerfile's image starts from."""

import pytest

from slipway_host.dockerfile import final_base


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("FROM scratch\nCOPY . /\n", "scratch"),
        ("FROM --platform=$BUILDPLATFORM golang:1.24 AS build\nRUN x\nFROM scratch\n", "scratch"),
        ("FROM scratch\nFROM alpine:3\n", "alpine:3"),
        ("from scratch as Base\nCOPY a /\nFROM base\n", "scratch"),
        ("# FROM scratch\nARG X\nFROM ${X}\n", "${X}"),
        ("FROM \\\n  --platform=linux/arm64 \\\n  debian:13 AS x\n", "debian:13"),
        ("RUN echo FROM scratch\n", ""),
    ],
)
def test_final_base_is_followed_through_stages(text: str, base: str) -> None:
    assert final_base(text) == base
