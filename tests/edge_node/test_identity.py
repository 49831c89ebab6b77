import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from edge_node.identity import IdentityError, create, hardware_model, load


def test_a_new_identity_is_private_and_lasts_ten_years(tmp_path: Path) -> None:
    made = create("mash-a", tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert made.key_path.stat().st_mode & 0o777 == 0o600
    certificate = x509.load_pem_x509_certificate(made.cert_path.read_bytes())
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3640)
    der = ssl.PEM_cert_to_DER_cert(made.cert_path.read_text())
    assert made.fingerprint == hashlib.sha256(der).hexdigest()
    assert made.model == hardware_model()


def test_an_identity_is_made_once(tmp_path: Path) -> None:
    made = create("mash-a", tmp_path)
    assert create("mash-a", tmp_path) == made == load("mash-a", tmp_path)


def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match=r"cert\.pem is missing.*init"):
        load("mash-a", tmp_path)
    create("mash-a", tmp_path).key_path.unlink()
    with pytest.raises(IdentityError, match=r"key\.pem is missing"):
        load("mash-a", tmp_path)


def test_unreadable_and_mismatched_files_are_refused(tmp_path: Path) -> None:
    one, two = create("a", tmp_path / "a"), create("b", tmp_path / "b")
    one.cert_path.write_bytes(two.cert_path.read_bytes())
    with pytest.raises(IdentityError, match="do not belong together"):
        load("a", tmp_path / "a")
    one.cert_path.write_text("nonsense")
    with pytest.raises(IdentityError, match="cannot be read"):
        load("a", tmp_path / "a")


def test_a_data_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IdentityError, match="--data-dir"):
        create("a", tmp_path / "file" / "data")
