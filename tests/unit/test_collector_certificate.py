"""collector.certificate: made once, good for ever, and for nobody else to read."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from collector.certificate import FILE_NAME, own_certificate
from collector.errors import TrustError
from collector.server import secured_by
from service.keyfile import KeyFileError

NO_CREDENTIALS: dict[str, str] = {}


@pytest.fixture
def pem(tmp_path: Path) -> bytes:
    """What the file of a new one holds."""
    return own_certificate(tmp_path, NO_CREDENTIALS).file.read_bytes()


def test_made_once(tmp_path: Path) -> None:
    """The next start finds the same; another collector has another."""
    first = own_certificate(tmp_path, NO_CREDENTIALS)
    content = first.file.read_bytes()
    assert own_certificate(tmp_path, NO_CREDENTIALS) == first
    assert first.file.read_bytes() == content
    assert first.file == tmp_path / FILE_NAME
    assert len(first.fingerprint) == 32
    (tmp_path / "other").mkdir()
    assert own_certificate(tmp_path / "other", NO_CREDENTIALS).fingerprint != first.fingerprint


def test_file_is_for_its_owner_alone(tmp_path: Path, pem: bytes) -> None:
    """The private key is in it; where others may read it the collector does not go on."""
    file = tmp_path / FILE_NAME
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        own_certificate(tmp_path, NO_CREDENTIALS)
    assert file.read_bytes() == pem


def test_valid_whatever_a_clock_says(pem: bytes) -> None:
    """From 1970 to the end of 9999."""
    certificate = x509.load_pem_x509_certificate(pem)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    assert begin == datetime(1970, 1, 1, tzinfo=UTC)
    assert end == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_key_is_p_256_and_its_own(pem: bytes) -> None:
    """Self-signed with SHA-256, and no authority."""
    certificate = x509.load_pem_x509_certificate(pem)
    key = load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(certificate)
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not constraints.value.ca


def test_what_systemd_hands_over_comes_first(tmp_path: Path, pem: bytes) -> None:
    """It is used where it lies, and none is made beside it."""
    credentials, state = tmp_path / "credentials", tmp_path / "state"
    for folder in (credentials, state):
        folder.mkdir()
    (credentials / FILE_NAME).write_bytes(pem)
    (credentials / FILE_NAME).chmod(0o440)
    certificate = own_certificate(state, {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert certificate.file == credentials / FILE_NAME
    assert certificate.fingerprint == own_certificate(tmp_path, NO_CREDENTIALS).fingerprint
    assert list(state.iterdir()) == []
    assert secured_by(certificate).fingerprint == certificate.fingerprint


@pytest.mark.parametrize("damage", ["empty", "no text", "no certificate", "cut off"])
def test_damaged_file_is_told(tmp_path: Path, pem: bytes, damage: str) -> None:
    """It is not quietly replaced: every device knows the one that was there."""
    file = tmp_path / FILE_NAME
    key_only = pem[: pem.index(b"-----BEGIN CERTIFICATE")]
    contents = {
        "empty": b"",
        "no text": b"\xff\xff",
        "no certificate": key_only,
        "cut off": pem[:-90],
    }
    file.write_bytes(contents[damage])
    with pytest.raises(TrustError, match=f"{file} is not the collector's certificate") as caught:
        own_certificate(tmp_path, NO_CREDENTIALS)
    assert "Put back a copy" in str(caught.value)
    assert file.read_bytes() == contents[damage]


@pytest.mark.parametrize("key", ["none", "another"])
def test_certificate_without_its_key_is_told(tmp_path: Path, pem: bytes, key: str) -> None:
    """When it is to be served with, at the latest."""
    other = b""
    if key == "another":
        (tmp_path / "other").mkdir()
        other = own_certificate(tmp_path / "other", NO_CREDENTIALS).file.read_bytes()
        other = other[: other.index(b"-----BEGIN CERTIFICATE")]
    (tmp_path / FILE_NAME).write_bytes(other + pem[pem.index(b"-----BEGIN CERTIFICATE") :])
    with pytest.raises(TrustError, match="is not the collector's certificate with its key"):
        secured_by(own_certificate(tmp_path, NO_CREDENTIALS))


def test_served_with_what_was_made(tmp_path: Path) -> None:
    """OpenSSL takes it, with 1.3 alone."""
    secured = secured_by(own_certificate(tmp_path, NO_CREDENTIALS))
    assert secured.context.minimum_version is ssl.TLSVersion.TLSv1_3
