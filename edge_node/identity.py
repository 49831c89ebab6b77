"""Who this node is: its id, its self-signed certificate and what it runs on."""

import datetime as dt
import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_node import __version__

_YEARS: Final = 10
_DEVICE_TREE_MODEL: Final = Path("/proc/device-tree/model")
# Clocks of nodes are wrong before they are set; a certificate from the future would be refused.
_NOT_BEFORE: Final = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


class IdentityError(Exception):
    """The node's identity cannot be read or made; the message says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A node's identity; `fingerprint` is the SHA-256 of its certificate (DER), 64 hex digits."""

    node_id: str
    fingerprint: str
    cert_path: Path
    key_path: Path
    version: str
    model: str


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder, for its owner only; IdentityError."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
    except OSError as err:
        raise IdentityError(
            f"The data folder {data_dir} cannot be made private: {err}. Choose another one with "
            "--data-dir, or run this as its owner."
        ) from err


def create(node_id: str, data_dir: Path) -> Identity:
    """Make key and certificate under `data_dir`, or keep those that are there; IdentityError."""
    make_data_dir(data_dir)
    cert_path, key_path = _paths(data_dir)
    if cert_path.exists() and key_path.exists():
        return load(node_id, data_dir)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_id)])
    now = max(dt.datetime.now(dt.UTC), _NOT_BEFORE)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(node_id)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    try:
        cert_path.parent.mkdir(mode=0o700, exist_ok=True)
        _write(
            key_path,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        _write(cert_path, certificate.public_bytes(serialization.Encoding.PEM))
    except OSError as err:
        raise IdentityError(
            f"The identity cannot be written to {cert_path.parent}: {err}."
        ) from err
    return load(node_id, data_dir)


def load(node_id: str, data_dir: Path) -> Identity:
    """The identity kept under `data_dir`; IdentityError names what is missing or unreadable."""
    cert_path, key_path = _paths(data_dir)
    for path in (cert_path, key_path):
        if not path.is_file():
            raise IdentityError(
                f"The node {node_id} has no identity: {path} is missing. Run "
                "`smart-beer-edge init` (a new identity must be paired again) or bring the "
                "file back from a backup."
            )
    try:
        key_path.chmod(0o600)
        certificate = x509.load_pem_x509_certificate(cert_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as err:
        raise IdentityError(
            f"The identity of node {node_id} under {cert_path.parent} cannot be read: {err}. "
            "Bring both files back from a backup, or move them away and run `smart-beer-edge init`."
        ) from err
    if certificate.public_key() != key.public_key():
        raise IdentityError(
            f"{cert_path} and {key_path} do not belong together. Bring both back from a backup, or "
            "move them away and run `smart-beer-edge init`."
        )
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Identity(
        node_id=node_id,
        fingerprint=hashlib.sha256(der).hexdigest(),
        cert_path=cert_path,
        key_path=key_path,
        version=__version__,
        model=hardware_model(),
    )


def hardware_model() -> str:
    """What the device tree calls this board, else the machine's architecture."""
    try:
        return _DEVICE_TREE_MODEL.read_text("utf-8").rstrip("\0").strip()
    except (OSError, UnicodeDecodeError):
        return platform.machine()


def _paths(data_dir: Path) -> tuple[Path, Path]:
    folder = data_dir / "identity"
    return folder / "cert.pem", folder / "key.pem"


def _write(path: Path, content: bytes) -> None:
    """Write a private file to the disk; the key is never readable by others, not for a moment."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
