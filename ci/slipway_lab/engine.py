"""The Dagger engine, with the small Python SDK that stands in for the published one."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from typing import TYPE_CHECKING

from slipway_lab import command
from slipway_lab.layout import ENGINE_NETWORK, MIRROR, SOURCES
from slipway_lab.oci import MANIFEST, image_blobs, json_blob
from slipway_lab.parts import digest_of, drop_older, making, part_folder
from slipway_lab.pins import UV

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout
    from slipway_lab.sandbox import Sandbox

CONTENT = "/usr/local/share/dagger/content"
MAX_CACHE = "20GB"


def _sdk(layout: Layout) -> Path:
    """Return the SDK's content as OCI blobs, packed unless it is there; `digest` names its manifest."""
    source = SOURCES / "files" / "python-sdk"
    folder = part_folder(layout, "python-sdk", digest_of(UV, source))
    if folder.exists():
        return folder
    with making(folder) as scratch:
        target = scratch / "venv"
        command.run([sys.executable, "-m", "venv", target])
        command.run([target / "bin" / "python", "-m", "pip", "install", "--quiet", UV])
        tar = scratch / "sdk.tar"
        with tarfile.open(tar, "w") as out:
            out.add(target / "bin" / "uv", "dist/uv")
            for name in ("read.py", "runtime.py"):
                out.add(source / name, name)
            for name in ("dagger.json", "main.dang"):
                out.add(source / name, f"runtime/{name}")
        config, layers = image_blobs(tar, config={})
        manifest = json_blob(
            scratch,
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.descriptor,
                "layers": [layer.descriptor for layer in layers],
            },
            MANIFEST,
        )
        blobs = scratch / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for blob in (config, manifest, *layers):
            shutil.move(blob.path, blobs / blob.digest.removeprefix("sha256:"))
        (scratch / "digest").write_text(manifest.digest)
        tar.unlink()
        shutil.rmtree(target)
    drop_older(layout, "python-sdk", folder)
    return folder


def _config() -> str:
    mirrored = {name: {"mirrors": [MIRROR]} for name in ("docker.io", "gcr.io", "ghcr.io")}
    return json.dumps({"registries": mirrored, "gc": {"maxUsedSpace": MAX_CACHE}})


def start(sandbox: Sandbox) -> None:
    """Start the engine; the CLI reaches it through a socket in the lab's folder."""
    layout = sandbox.layout
    sdk = _sdk(layout)
    script = f"""
        set -eu
        mkdir -p {CONTENT} /opt/cni/bin /etc/dagger {layout.state}/engine
        cp -r {sdk}/blobs {CONTENT}/
        cp -L {layout.bin}/dagger-init /usr/local/bin/dagger-init
        cp -L /usr/lib/cni/* {layout.bin}/dnsname /opt/cni/bin/
        for name in xtables-legacy-multi xtables-nft-multi; do ln -sf /usr/sbin/$name /usr/bin/$name; done
        printf '%s' '{_config()}' > /etc/dagger/engine.json
        exec {layout.bin}/dagger-engine --root {layout.state}/engine --addr unix://{layout.engine_socket} \\
            --network-name dagger --network-cidr {ENGINE_NETWORK}
    """
    if sandbox.daemon("dagger-engine") is None:
        layout.engine_socket.unlink(missing_ok=True)
    # A mount namespace of its own: the engine rewrites resolv.conf, which the other parts must keep.
    sandbox.start(
        "dagger-engine",
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        env={"SLIPWAY_LAB_PYTHON_SDK_DIGEST": (sdk / "digest").read_text()},
        ready=layout.engine_socket.exists,
        # After a kill it puts its cache in order first: 45 s were seen with 20 GB.
        deadline_s=240,
    )
