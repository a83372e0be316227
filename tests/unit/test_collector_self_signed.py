"""collector.self_signed: certificates are made by another process, and where they cannot be it says why."""

import subprocess
import sys
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from collector import self_signed
from collector.errors import CertificateError
from collector.self_signed import make_certificate

BEGIN = datetime(2026, 11, 27, 12, tzinfo=UTC)
END = datetime(2027, 11, 27, 12, tzinfo=UTC)


def test_key_is_p_256_and_its_own() -> None:
    """Self-signed with SHA-256, no authority, for a server."""
    pem = make_certificate("pi", BEGIN, END)
    certificate = x509.load_pem_x509_certificate(pem)
    key = load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(certificate)
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    assert certificate.subject.rfc4514_string() == "CN=pi"
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]


def test_says_what_was_asked_for() -> None:
    """When it is valid, and for which names and addresses."""
    certificate = x509.load_pem_x509_certificate(
        make_certificate("pi", BEGIN, END, {"pi", "*.local"}, {"192.0.2.7", "2001:db8::7"})
    )
    validity = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    assert validity == (BEGIN, END)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"pi", "*.local"}
    addresses = set(names.get_values_for_type(x509.IPAddress))
    assert addresses == {ip_address("192.0.2.7"), ip_address("2001:db8::7")}


def test_each_is_another() -> None:
    """A key is never given out twice."""
    assert make_certificate("pi", BEGIN, END) != make_certificate("pi", BEGIN, END)


def test_what_cannot_be_made_is_told() -> None:
    """The last line of what the process says is the reason."""
    with pytest.raises(CertificateError, match=r"exit code 1, ValueError: .*It is made by"):
        make_certificate("pi", BEGIN, END, ["bücher"])


def test_process_that_cannot_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, so that it can be tried by hand."""
    monkeypatch.setattr(self_signed, "PROGRAM", ("/nowhere/python", "-sP"))
    with pytest.raises(CertificateError, match="It is made by /nowhere/python -sP"):
        make_certificate("pi", BEGIN, END)


def test_the_library_stays_outside() -> None:
    """Whoever has one made is no larger after it."""
    code = (
        "import sys; from datetime import datetime, UTC; "
        "from collector.self_signed import make_certificate; "
        "now = datetime.now(UTC); made = make_certificate('pi', now, now); "
        "sys.exit('cryptography' in sys.modules or not made)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
