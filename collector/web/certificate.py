"""The certificate that browsers are shown: the collector's own, or one of the user's.

Its own is signed by nobody else and says what this machine is called; it is made anew before it
ends, and when this machine has another name or address. It has nothing to do with the one that
devices know (collector.certificate), which never changes.
"""

import ipaddress
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import structlog

from collector.settings import WebCertificate
from collector.web.names import Names
from service import keyfile, tls

if TYPE_CHECKING:
    from cryptography import x509

_log = structlog.get_logger()

FILE_NAME = "web.pem"
# Browsers take no certificate that is valid for longer.
_VALID = timedelta(days=398)
_RENEWED_BEFORE = timedelta(days=30)
# A browser's clock may be behind.
_EARLIER = timedelta(days=1)
_NAME = "Telegauge"


class Shown(NamedTuple):
    """What a certificate says, and what serves it. `fingerprint`: SHA-256 of it."""

    context: ssl.SSLContext
    names: Names
    begins: datetime
    ends: datetime
    fingerprint: bytes


class Certificates:
    """Keeps the certificate that is shown up to date; `shown` is it, `trouble` why it is not the user's.

    Args:
        folder: where the collector's own lies.
        own_names: what this machine is called now.
        now: UTC.
    """

    def __init__(
        self,
        folder: Path,
        own_names: Callable[[], Names],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._file = folder / FILE_NAME
        self._own_names = own_names
        self._now = now
        self._stamp: object = None
        self.names = Names(frozenset(), frozenset())
        self.trouble = ""
        self.shown: Shown | None = None

    def look(self, given: WebCertificate | None) -> Shown:
        """Look whether it has to be another one; return the one to show. Reads files.

        Raises:
            KeyFileError: the collector's own cannot be read or written.
        """
        self.names = self._own_names()
        if given is not None:
            self._take(given)
        else:
            self.trouble = ""
        if given is None or self.shown is None:
            self.shown = self._own()
        return self.shown

    def _take(self, given: WebCertificate) -> None:
        """Show the user's, if it has changed and can be."""
        stamp = given, _changed_ns(given.file), _changed_ns(given.key_file)
        if stamp == self._stamp:
            return
        try:
            self.shown = _read(Path(given.file), Path(given.key_file))
        except (OSError, ValueError) as error:
            trouble = (
                f"web.certificate cannot be used, the former one is shown: {error}. Wanted: a "
                f"certificate in PEM ({given.file}) and its private key ({given.key_file})"
            )
            if trouble != self.trouble:
                _log.error("web_certificate_wrong", detail=trouble)
            self.trouble = trouble
            return
        self._stamp, self.trouble = stamp, ""
        _log.info("web_certificate_read", file=given.file, ends=self.shown.ends.isoformat())

    def _own(self) -> Shown:
        if self._stamp is None and self.shown is not None and self._is_good(self.shown):
            return self.shown
        self._stamp = None
        if keyfile.read(self._file) is not None:
            try:
                found = _read(self._file, self._file)
            except (OSError, ValueError) as error:
                _log.warning("web_certificate_unreadable", file=str(self._file), detail=str(error))
            else:
                if self._is_good(found):
                    return found
        keyfile.write(self._file, make_certificate(self.names, self._now()))
        made = _read(self._file, self._file)
        _log.info("web_certificate_made", ends=made.ends.isoformat(), sha256=made.fingerprint.hex())
        return made

    def _is_good(self, found: Shown) -> bool:
        is_in_time = found.begins <= self._now() < found.ends - _RENEWED_BEFORE
        return is_in_time and found.names.covers(self.names)


def make_certificate(names: Names, now: datetime) -> bytes:
    """Return a new private key (P-256) and a certificate of these names, in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in sorted(names.names)]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in sorted(names.addresses)]
    begins = now - _EARLIER
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + _VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def _read(file: Path, key_file: Path) -> Shown:
    """Read what can be shown.

    Raises:
        OSError: it cannot be read, or the key is not its key (ssl.SSLError).
        ValueError: it is no certificate.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    context = tls.server_context(file, key_file)
    text = file.read_bytes()
    certificate = x509.load_pem_x509_certificate(text[max(text.find(b"-----BEGIN CERT"), 0) :])
    return Shown(
        context,
        _names_in(certificate),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.fingerprint(hashes.SHA256()),
    )


def _names_in(certificate: "x509.Certificate") -> Names:
    from cryptography.x509 import DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName

    try:
        found = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return Names(frozenset(), frozenset())
    return Names(
        frozenset(each.lower() for each in found.get_values_for_type(DNSName)),
        frozenset(str(each) for each in found.get_values_for_type(IPAddress)),
    )


def _changed_ns(file: str) -> int | None:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return None
