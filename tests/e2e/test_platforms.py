"""R6: what an image is not, another platform's or free of secrets, is said before anything is pushed.

Nothing here can run arm64's programs, and no base image here exists for it.
"""

from support.app import App

PROD = ["--environment=prod"]
TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


def test_secret_in_env_stops_prod(app: App) -> None:  # fault 32
    nonroot = "USER 65532:65532\n"
    commit = app.edit("Dockerfile", nonroot, f"{nonroot}ENV GITHUB_TOKEN={TOKEN}\n")
    done = app.call("deploy", before=PROD)
    assert done.code == 1
    assert "github-pat" in done.error
    assert TOKEN not in done.stderr
    assert app.tags(commit[:8]) == []


def test_base_image_of_another_platform_is_refused(app: App) -> None:
    app.reset()
    app.edit(
        "slipway.yaml", "    database: {}", "    platforms: [linux/amd64, linux/arm64]\n    database: {}"
    )
    app.edit(
        "Dockerfile",
        "FROM docker.io/library/golang",
        "FROM --platform=$BUILDPLATFORM docker.io/library/golang",
    )
    done = app.call("build")
    assert done.code == 1
    assert "for linux/arm64: " in done.error, done.error
