"""collector.web.certificate: our own, renewed in time, and the user's."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from structlog.testing import capture_logs

from collector.self_signed import make_certificate
from collector.settings import WebCertificate
from collector.web.certificate import FILE_NAME, Certificates
from collector.web.names import Names
from service import tls
from service.keyfile import KeyFileError

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
PI = Names(frozenset({"pi", "pi.local"}), frozenset({"192.0.2.7", "2001:db8::7"}))
OTHER = Names(frozenset({"tele.example.org", "*.example.net"}), frozenset())


def pem_of(names: Names, ends: datetime = NOW + timedelta(days=90)) -> bytes:
    """Return a new key and a certificate of these names."""
    return make_certificate("user", NOW - timedelta(days=900), ends, *names)


def signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> bytes:
    """Return a certificate without names that another key has signed."""
    issuer = name if key is by else f"above {name}"
    builder = x509.CertificateBuilder(
        named(issuer), named(name), key.public_key(), x509.random_serial_number(), NOW, NOW
    )
    certificate = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    return certificate.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def named(name: str) -> x509.Name:
    """Return the name of a subject or an issuer."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def as_pem(
    key: ec.EllipticCurvePrivateKey,
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption(),  # noqa: B008
) -> bytes:
    """Return a key in PEM."""
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, locked)


class Machine:
    """A machine whose names and clock may change."""

    def __init__(self, folder: Path) -> None:
        self.names, self.now = PI, NOW
        self.certificates = Certificates(folder, lambda: self.names, lambda: self.now)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One with an empty folder."""
    return Machine(tmp_path)


@pytest.fixture
def given(tmp_path: Path) -> WebCertificate:
    """A certificate of the user's, in two files."""
    pem = pem_of(OTHER)
    at = pem.index(b"-----BEGIN CERT")
    (tmp_path / "web.key").write_bytes(pem[:at])
    (tmp_path / "web.crt").write_bytes(pem[at:])
    return WebCertificate(file=str(tmp_path / "web.crt"), key_file=str(tmp_path / "web.key"))


def test_own_certificate_says_what_browsers_look_at(machine: Machine, tmp_path: Path) -> None:
    """All names and addresses, and no more days than they take; its key is for us alone."""
    shown = machine.certificates.look(None)
    assert shown.names == PI
    assert shown.begins < NOW < shown.ends
    assert shown.ends - shown.begins == timedelta(days=398)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert shown.fingerprint == tls.fingerprint_of_pem(tmp_path / FILE_NAME)


def test_it_stays_while_nothing_changes(machine: Machine, tmp_path: Path) -> None:
    """Also over a restart, and where this machine has lost an address."""
    first = machine.certificates.look(None).fingerprint
    machine.names = Names(frozenset({"pi"}), frozenset())
    assert machine.certificates.look(None).fingerprint == first
    assert Machine(tmp_path).certificates.look(None).fingerprint == first


def test_it_is_made_anew_in_time(machine: Machine) -> None:
    """Before it ends, where the clock was set back, and with another name or address."""
    seen = {machine.certificates.look(None).fingerprint}
    machine.now = NOW + timedelta(days=360)
    assert machine.certificates.look(None).fingerprint in seen
    for change in (timedelta(days=9), timedelta(days=-3)):
        machine.now += change
        seen.add(machine.certificates.look(None).fingerprint)
    machine.names = PI | Names(frozenset(), frozenset({"192.0.2.8"}))
    shown = machine.certificates.look(None)
    assert shown.fingerprint not in seen
    assert "192.0.2.8" in shown.names.addresses
    assert len(seen) == 3


def test_file_that_is_none_is_made_anew(machine: Machine, tmp_path: Path) -> None:
    """Nobody pinned it; but one that others may read is not used."""
    file = tmp_path / FILE_NAME
    file.touch(0o600)
    file.write_text("nonsense")
    assert machine.certificates.look(None).names == PI
    file.chmod(0o644)
    with pytest.raises(KeyFileError):
        Machine(tmp_path).certificates.look(None)


def test_the_users_is_shown_and_reread(machine: Machine, given: WebCertificate) -> None:
    """When it has changed; without the key of it in the YAML ours comes back."""
    shown = machine.certificates.look(given)
    assert shown.names == OTHER
    assert machine.certificates.look(given) is shown
    pem = pem_of(PI)
    Path(given.file).write_bytes(pem)
    Path(given.key_file).write_bytes(pem)
    assert machine.certificates.look(given).names == PI
    assert machine.certificates.trouble == ""
    again = machine.certificates.look(None)
    assert again.fingerprint != shown.fingerprint


def test_a_wrong_one_changes_nothing_and_is_told_once(
    machine: Machine, given: WebCertificate
) -> None:
    """The former one is shown; once it is right again so is all."""
    right = machine.certificates.look(given)
    key = Path(given.key_file).read_bytes()
    for wrong in (b"nonsense", pem_of(PI), b""):
        Path(given.key_file).write_bytes(wrong)
        with capture_logs() as logs:
            assert machine.certificates.look(given) is right
            assert machine.certificates.look(given) is right
        assert [log["log_level"] for log in logs] in (["error"], [])
        assert "the former one is shown" in machine.certificates.trouble
        assert given.key_file in machine.certificates.trouble
    Path(given.key_file).write_bytes(key)
    machine.certificates.look(given)
    assert machine.certificates.trouble == ""


def test_a_wrong_one_from_the_start_is_replaced_by_ours(machine: Machine) -> None:
    """So that there is a door at all."""
    missing = WebCertificate(file="/nowhere/web.crt", key_file="/nowhere/web.key")
    assert machine.certificates.look(missing).names == PI
    assert "/nowhere/web.crt" in machine.certificates.trouble


@pytest.mark.parametrize("ends", [NOW - timedelta(days=400), NOW + timedelta(days=400)])
def test_the_users_is_shown_whenever_it_is_valid(
    machine: Machine, tmp_path: Path, ends: datetime
) -> None:
    """The clock of this machine may be wrong; and with all that stands around it in its file."""
    pem = pem_of(OTHER, ends)
    (tmp_path / "web.crt").write_bytes("Für den Browser:\n".encode() + pem + pem_of(PI))
    file = str(tmp_path / "web.crt")
    shown = machine.certificates.look(WebCertificate(file=file, key_file=file))
    assert (shown.names, shown.ends) == (OTHER, ends)
    assert shown.fingerprint == x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256())
    assert machine.certificates.trouble == ""


def test_the_users_may_be_signed_by_somebody_else(machine: Machine, tmp_path: Path) -> None:
    """What is shown is the first of the chain, here one without names; the root is nowhere."""
    above, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = signed("pi", own, above)
    file = tmp_path / "web.crt"
    file.write_bytes(as_pem(own) + pem + signed("between", above, own))
    shown = machine.certificates.look(WebCertificate(file=str(file), key_file=str(file)))
    assert machine.certificates.trouble == ""
    assert shown.names == Names(frozenset(), frozenset())
    assert shown.fingerprint == x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256())


def test_one_that_no_browser_takes_is_told(machine: Machine, tmp_path: Path) -> None:
    """It is for clients alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "web.crt"
    file.write_bytes(as_pem(key) + signed("pi", key, key, ExtendedKeyUsageOID.CLIENT_AUTH))
    given = WebCertificate(file=str(file), key_file=str(file))
    assert machine.certificates.look(given).names == PI
    assert "unsuitable certificate purpose" in machine.certificates.trouble


def test_key_with_a_password_is_refused_without_asking(tmp_path: Path) -> None:
    """OpenSSL would ask on a terminal."""
    key = ec.generate_private_key(ec.SECP256R1())
    locked = serialization.BestAvailableEncryption(b"secret")
    (tmp_path / "pem").write_bytes(as_pem(key, locked) + signed("pi", key, key))
    with pytest.raises(ssl.SSLError):
        tls.server_context(tmp_path / "pem")
