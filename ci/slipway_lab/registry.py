"""Two registries: the team's, with accounts, and one that stands where the public ones are elsewhere."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

from slipway_lab import command, credentials, images
from slipway_lab.layout import HOST, MIRROR, REGISTRY, SOURCES
from slipway_lab.oci import Registry, file_blob, json_blob
from slipway_lab.parts import digest_of, making
from slipway_lab.sandbox import listening

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout
    from slipway_lab.sandbox import Sandbox

TRIVY_DB = ("aquasecurity/trivy-db", "2")
# https://trivy.dev/docs/latest/advanced/self-hosting/ names these two.
TRIVY_CONFIG = "application/vnd.aquasec.trivy.config.v1+json"
TRIVY_LAYER = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"


def _config(layout: Layout, *, name: str, port: int, storage: Path, accounts: Path | None) -> Path:
    pki = layout.state / "pki"
    document = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": False}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {
            "addr": f"{HOST}:{port}",
            "tls": {"certificate": str(pki / "server.pem"), "key": str(pki / "server.key")},
            # Shared by all processes of one registry only; there is one process.
            "secret": "slipway-lab",
        },
    }
    if accounts is not None:
        document["auth"] = {"htpasswd": {"realm": "slipway-lab", "path": str(accounts)}}
    path = layout.run / f"{name}.yaml"
    path.write_text(json.dumps(document))
    return path


def start(sandbox: Sandbox) -> None:
    """Start both registries."""
    layout = sandbox.layout
    accounts = layout.state / "registry.htpasswd"
    if not accounts.exists():
        password = credentials.read(layout, "registry")
        credentials.htpasswd(accounts, {credentials.REGISTRY_USER: password})
    for name, address, storage, file in (
        ("registry", REGISTRY, layout.state / "registry", accounts),
        ("mirror", MIRROR, layout.images, None),
    ):
        port = int(address.rpartition(":")[2])
        config = _config(layout, name=name, port=port, storage=storage, accounts=file)
        sandbox.start(
            name,
            ["docker-registry", "serve", config],
            env={"OTEL_TRACES_EXPORTER": "none"},
            ready=lambda port=port: listening(HOST, port),  # type: ignore[misc]
            deadline_s=20,
        )


def fill_mirror(layout: Layout) -> None:
    """Put the base images and Trivy's vulnerability database into the mirror, where they are missing."""
    images.publish(layout)
    source = SOURCES / "files" / "advisories.json"
    mark = layout.images / "trivy-db"
    if mark.exists() and mark.read_text() == digest_of(source):
        return
    with making(layout.run / "trivy-db") as scratch:
        command.run([layout.bin / "trivydb", source, scratch])
        with tarfile.open(scratch / "db.tar.gz", "w:gz") as tar:
            # trivy-db's API writes the database into a folder `db`, as Trivy's own cache has it.
            for path in (found for n in ("trivy.db", "metadata.json") for found in scratch.rglob(n)):
                tar.add(path, path.name)
        title = {"org.opencontainers.image.title": "db.tar.gz"}
        layer = file_blob(scratch / "db.tar.gz", TRIVY_LAYER, title)
        registry = Registry(MIRROR, ca=layout.ca)
        registry.push(*TRIVY_DB, json_blob(scratch, {}, TRIVY_CONFIG), [layer])
    mark.write_text(digest_of(source))
