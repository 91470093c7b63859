"""A machine with a clone of a service's repository, on which somebody types `slipway-host`."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from slipway_host.loader import load_config
from slipway_host.recipe import INPUTS, REVISION, recipe
from slipway_lab import credentials, lab
from slipway_lab.kubernetes import kubeconfig_path
from slipway_lab.layout import REGISTRY, Layout

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class HostSide:
    """A clone with one commit, of one service whose images are the test's own.

    Args:
        layout: the lab.
        folder: the clone.
        commit: HEAD.
        config: its `slipway.yaml`.
    """

    layout: Layout
    folder: Path
    commit: str
    config: dict[str, Any]

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `slipway-host` with no account but the cluster's and those given."""
        return subprocess.run(
            [sys.executable, "-m", "slipway_host.cli", *words],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder.parent),
                "KUBECONFIG": str(kubeconfig_path(self.layout, "deployer")),
                "PYTHONPATH": str(lab.PROJECT / "ci"),
                "SSL_CERT_FILE": str(self.layout.trust),
                **more,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def accounts(self) -> dict[str, str]:
        """Return the account at the registry."""
        password = credentials.read(self.layout, "registry")
        return {"REGISTRY_USERNAME": credentials.REGISTRY_USER, "REGISTRY_PASSWORD": password}

    @property
    def labels(self) -> dict[str, str]:
        """What a build writes into an image of HEAD."""
        config = load_config(json.dumps(self.config), path="slipway.yaml")
        (key,) = self.config["services"]
        service, place = config.services[key], config.environment("dev", key)
        how = recipe(service, place, commit=self.commit, tag=self.commit[:8], name="dev")
        return {REVISION: self.commit, INPUTS: how.inputs}

    def push_image(self) -> None:
        """Put an image of HEAD into the registry, with what a build writes into it and no file."""
        image = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": self.labels},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        body = json.dumps(image).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        described = {"mediaType": CONFIG_TYPE, "digest": digest, "size": len(body)}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": described, "layers": []}
        name = f"{self.config['registry'].partition('/')[2]}/api"
        account = self.accounts()
        with httpx.Client(
            base_url=f"https://{REGISTRY}",
            auth=(account["REGISTRY_USERNAME"], account["REGISTRY_PASSWORD"]),
            verify=ssl.create_default_context(cafile=str(self.layout.trust)),
        ) as client:
            begun = client.post(f"/v2/{name}/blobs/uploads/").raise_for_status().headers["Location"]
            client.put(
                httpx.URL(begun).copy_merge_params({"digest": digest}), content=body
            ).raise_for_status()
            client.put(
                f"/v2/{name}/manifests/{self.commit[:8]}",
                content=json.dumps(manifest),
                headers={"Content-Type": MANIFEST_TYPE},
            ).raise_for_status()


def host_side(layout: Layout, folder: Path, run_id: str, service: dict[str, Any], **more: Any) -> HostSide:
    """Return a clone of a service's repository.

    Args:
        layout: the lab.
        folder: an empty folder.
        run_id: namespace of the service and of its images.
        service: its part of `slipway.yaml`.
        more: the rest of it.
    """
    config = {
        "registry": f"{REGISTRY}/{run_id}",
        "namespace": run_id,
        "gitops": {"repository": "https://git.invalid/acme/gitops.git"},
        "services": {"api": service},
        **more,
    }
    clone = folder / "clone"
    clone.mkdir()
    (clone / "slipway.yaml").write_text(json.dumps(config, indent=2))
    account = ["-c", "user.name=t", "-c", "user.email=t@t.invalid"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Start"]):
        subprocess.run(["git", *account, *words], cwd=clone, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, check=True, capture_output=True, text=True)
    return HostSide(layout, clone, head.stdout.strip(), config)
