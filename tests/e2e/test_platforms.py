"""R6: one image for several platforms, from the build to healthy pods; and a secret that the image shows.

The tests of this file are one story and run in their order. Nothing here can run arm64's programs: the build
stage compiles for them on the engine's own platform.
"""

import json

from support.app import App

PROD = ["--environment=prod"]
BOTH = ["linux/amd64", "linux/arm64"]
CROSS = """FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.24-trixie AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY . .
ARG REVISION=unknown
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \\
    go build -trimpath -ldflags "-s -w -X main.revision=${REVISION}" -o /out/api .
FROM scratch
COPY --from=build /out/api /usr/local/bin/api
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/api"]
"""
TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


def test_index_of_two_platforms_is_proven_to_run(app: App) -> None:
    (app.folder / "Dockerfile").write_text(CROSS)
    platforms = f"    platforms: [{', '.join(BOTH)}]\n    database: {{}}"
    app.edit("slipway.yaml", "    database: {}", platforms)

    receipt = app.deploy()

    service = receipt["services"][0]
    pushed = next(stage for stage in service["stages"] if stage["stage"] == "push")["outputs"]
    assert sorted(pushed["manifests"]) == BOTH
    assert len(set(pushed["imageIds"].values())) == 2
    assert pushed["digest"] not in pushed["manifests"].values()
    assert pushed["digest"] == service["digest"]
    assert len(service["pods"]) == 2
    assert {pod["image_id"].partition("@")[2] for pod in service["pods"]} == {service["digest"]}
    index = json.loads(app.blob(service["digest"]))
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    assert app.tag_digest("latest") == service["digest"]


def test_second_deploy_pushes_nothing(app: App) -> None:
    before = app.tag_digest(app.head()[:8])
    receipt = app.deploy()
    assert receipt["changed"] is False
    stages = {stage["stage"]: stage["status"] for stage in receipt["services"][0]["stages"]}
    assert stages["build"] == stages["push"] == "Skipped"
    assert app.tag_digest(app.head()[:8]) == before


def test_created_is_the_commit_s_time(app: App) -> None:
    manifest = json.loads(app.blob(app.tag_digest(app.head()[:8])))["manifests"][0]
    config = json.loads(app.blob(json.loads(app.blob(manifest["digest"]))["config"]["digest"]))
    created = config["config"]["Labels"]["org.opencontainers.image.created"]
    assert created == app.committed_at()


def test_secret_in_env_stops_prod(app: App) -> None:  # fault 32
    app.edit("Dockerfile", "FROM scratch\n", f"FROM scratch\nENV GITHUB_TOKEN={TOKEN}\n")
    done = app.call("deploy", before=PROD)
    assert done.code == 1
    assert "scan-image: " in done.error
    assert "github-pat" in done.error
    assert TOKEN not in done.stderr
    assert app.tags(app.head()[:8]) == []


def test_platform_that_the_engine_cannot_run_is_named(app: App) -> None:
    app.edit("Dockerfile", "FROM --platform=$BUILDPLATFORM ", "FROM ")
    done = app.call("build")
    assert done.code == 1
    assert "linux/arm64" in done.error
