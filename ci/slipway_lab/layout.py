"""Where the lab keeps its files, and the addresses of its parts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HOST = "10.86.0.1"
"""Address of every part, inside the lab's network namespace."""
GATEWAY = "10.86.0.254"
"""The machine's end of the cable to the lab."""
NETWORK = "10.86.0.0/24"
ENGINE_NETWORK = "10.87.0.0/16"
POD_NETWORK = "10.88.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
MACHINE_LINK = "slipway0"
LAB_LINK = "lab0"

REGISTRY = f"{HOST}:5000"
"""The team's registry: accounts needed to pull and to push."""
MIRROR = f"{HOST}:5001"
"""The public images: stands where docker.io, gcr.io, ghcr.io and registry.k8s.io are elsewhere."""
GIT = f"https://{HOST}"
KUBERNETES = f"https://{HOST}:6443"
SIGSTORE = f"https://{HOST}:5443"
"""Fulcio, the timestamp authority, and the issuer of identity tokens."""

SOURCES = Path(__file__).parent


@dataclass(frozen=True)
class Layout:
    """The folders of one lab; `root` is the cache folder.

    Args:
        root: holds everything; nothing is written anywhere else on the machine.
    """

    root: Path

    @classmethod
    def default(cls) -> Layout:
        """Return the lab of this user: $SLIPWAY_LAB, else slipway-lab in the user's cache folder."""
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return cls(Path(os.environ.get("SLIPWAY_LAB") or Path(base) / "slipway-lab").absolute())

    @property
    def parts(self) -> Path:
        """Prepared parts, one folder each, named by the digest of their pins."""
        return self.root / "parts"

    @property
    def go(self) -> Path:
        """Go's module and build caches, there only while something is being built."""
        return self.root / "go"

    @property
    def images(self) -> Path:
        """Storage of the mirror: made once, kept over a reset."""
        return self.root / "images"

    @property
    def state(self) -> Path:
        """What the running parts own: databases, clusters, repositories. `lab-reset` removes it."""
        return self.root / "state"

    @property
    def run(self) -> Path:
        """Process records and sockets of a running lab."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """One log per part."""
        return self.root / "logs"

    @property
    def bin(self) -> Path:
        """Links to the programs of the prepared parts."""
        return self.root / "bin"

    @property
    def ca(self) -> Path:
        """The lab's certificate authority."""
        return self.state / "pki" / "ca.pem"

    @property
    def trust(self) -> Path:
        """The machine's own trusted authorities and the lab's, in one file."""
        return self.state / "pki" / "trust.pem"

    @property
    def engine_socket(self) -> Path:
        """Where the Dagger engine listens."""
        return self.run / "engine.sock"

    @property
    def kubeconfig(self) -> Path:
        """Cluster administrator's kubeconfig."""
        return self.state / "kubernetes" / "admin.kubeconfig"

    @property
    def credentials(self) -> Path:
        """Folder with one file per account, readable by its owner only."""
        return self.state / "credentials"

    def create(self) -> None:
        """Make the folders that every part expects."""
        for folder in (
            self.parts,
            self.images,
            self.state,
            self.run,
            self.logs,
            self.bin,
            self.credentials,
        ):
            folder.mkdir(parents=True, exist_ok=True)
        self.credentials.chmod(0o700)
