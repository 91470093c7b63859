"""R6: a build secret reaches the step that mounts it, and neither the image nor its history."""

import gzip
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.app import App

SECRET = "canary-build-4711"
MOUNT = (
    'RUN --mount=type=secret,id=npm test "$(cat /run/secrets/npm)" = canary-build-4711'
    " && touch /seen\n\nFROM gcr.io"
)


@pytest.fixture(scope="module", autouse=True)
def wants_a_secret(app: App) -> None:
    app.edit("Dockerfile", "\nFROM gcr.io", f"\n{MOUNT}")
    app.edit(
        "Dockerfile",
        "COPY --from=build /out/api",
        "COPY --from=build /seen /seen\nCOPY --from=build /out/api",
    )
    app.edit("slipway.yaml", "    database: {}", "    database: {}\n    buildSecrets: {npm: NPM_TOKEN}")


def test_missing_build_secret_is_one_line(app: App) -> None:
    done = app.call("build")
    assert done.code == 1
    assert "build secret NPM_TOKEN is not given. Landed: nothing. Next: write buildSecrets=" in done.error


def test_given_one_is_mounted_and_left_nowhere(app: App, tmp_path: Path) -> None:
    (tmp_path / "NPM_TOKEN").write_text(SECRET)
    given = [f"--build-secrets=file://{tmp_path}/NPM_TOKEN"]
    target = tmp_path / "image.tar"

    done = app.call("image", "as-tarball", "export", f"--path={target}", before=given)

    assert done.code == 0, done.error
    blobs = list(uncompressed(target))
    assert any(b"/usr/local/bin/api" in blob or b"usr/local/bin/api" in blob for blob in blobs)
    # The step that tests for it has its words from the Dockerfile; the image that is kept has neither.
    assert [blob for blob in blobs if SECRET.encode() in blob] == []


def uncompressed(archive: Path) -> Iterator[bytes]:
    """Yield the bytes of every file of an image archive, layers unpacked."""
    with tarfile.open(archive) as found:
        for member in found:
            if member.isreg() and (stream := found.extractfile(member)):
                data = stream.read()
                yield gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
