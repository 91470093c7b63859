"""R6: one image for several platforms, and what an image must not be.

Nothing here can run arm64's programs, and no base image here exists for it: the compiler runs on the engine's
own platform, and the image starts from nothing. The tests of this file are one story and run in their order.
"""

import json

from slipway_lab import lab
from support.app import App

PROD = ["--environment=prod"]
TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


BOTH = "    platforms: [linux/amd64, linux/arm64]\n    database: {}"


def test_index_of_two_platforms_is_deployed_and_proven(app: App) -> None:
    app.edit(
        "Dockerfile",
        "FROM docker.io/library/golang",
        "FROM --platform=$BUILDPLATFORM docker.io/library/golang",
    )
    app.edit("Dockerfile", "FROM gcr.io/distroless/static-debian13:nonroot", "FROM scratch")
    app.edit("Dockerfile", "CGO_ENABLED=0", "CGO_ENABLED=0 GOARCH=$TARGETARCH")
    app.edit("Dockerfile", "ARG REVISION", "ARG TARGETARCH\nARG REVISION")
    app.edit("slipway.yaml", "    database: {}", BOTH)

    receipt = app.deploy()

    service = receipt["services"][0]
    push = next(stage for stage in service["stages"] if stage["stage"] == "push")
    assert set(push["outputs"]["imageIds"]) == {"linux/amd64", "linux/arm64"}
    assert len(set(push["outputs"]["manifests"])) == 2
    assert service["pods"]
    address = app.get("service", app.name)["spec"]["clusterIP"]
    version = lab.inside(app.layout, ["curl", "-sS", "--max-time", "10", f"http://{address}/version"])
    assert json.loads(version)["version"] == app.head()


def test_index_is_pushed_once(app: App) -> None:
    before = app.gitops_head()
    receipt = app.deploy()
    assert receipt["changed"] is False
    assert app.gitops_head() == before


def test_secret_in_env_stops_prod(app: App) -> None:  # fault 32
    app.reset()
    nonroot = "USER 65532:65532\n"
    commit = app.edit("Dockerfile", nonroot, f"{nonroot}ENV GITHUB_TOKEN={TOKEN}\n")
    done = app.call("deploy", before=PROD)
    assert done.code == 1
    assert "github-pat" in done.error
    assert TOKEN not in done.stderr
    assert app.tags(commit[:8]) == []


def test_base_image_of_another_platform_is_refused(app: App) -> None:
    app.reset()
    app.edit("slipway.yaml", "    database: {}", BOTH)
    app.edit(
        "Dockerfile",
        "FROM docker.io/library/golang",
        "FROM --platform=$BUILDPLATFORM docker.io/library/golang",
    )
    done = app.call("build")
    assert done.code == 1
    assert "for linux/arm64: " in done.error, done.error
