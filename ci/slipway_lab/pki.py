"""The lab's own certificate authority, and the certificates of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_lab.layout import HOST, KUBERNETES_SERVICE

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout

MACHINE_TRUST = "/etc/ssl/certs/ca-certificates.crt"
NAMES = (
    HOST,
    "127.0.0.1",
    KUBERNETES_SERVICE,
    "localhost",
    "slipway-lab",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


def ensure(layout: Layout) -> None:
    """Make the authority, one server certificate for all parts and the API server's client one."""
    import trustme
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    folder = layout.state / "pki"
    if layout.trust.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority = trustme.CA(organization_name="Slipway lab")
    authority.cert_pem.write_to_path(str(layout.ca))
    _write(folder, "server", authority.issue_cert(*NAMES, common_name=HOST))
    # The API server proves itself to the kubelet as a cluster administrator.
    client = authority.issue_cert(
        "apiserver.invalid",
        common_name="kube-apiserver-kubelet",
        organization_name="system:masters",
    )
    _write(folder, "kubelet-client", client)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "service-accounts.key").write_bytes(pem)
    with open(MACHINE_TRUST, "rb") as machine:  # noqa: PTH123 - joined below, read once
        # Last, since its presence says that everything else is there.
        layout.trust.write_bytes(machine.read() + b"\n" + layout.ca.read_bytes())


def _write(folder: Path, name: str, certificate: object) -> None:
    import trustme

    assert isinstance(certificate, trustme.LeafCert)  # noqa: S101 - narrows for the type checker
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    (folder / f"{name}.pem").write_bytes(chain)
    key = folder / f"{name}.key"
    key.touch(mode=0o600)
    key.write_bytes(certificate.private_key_pem.bytes())
