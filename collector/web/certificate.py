"""The certificate that browsers are shown: the collector's own, or one of the user's.

Its own is signed by nobody else and says what this machine is called; it is made anew before it
ends, and when this machine has another name or address. It has nothing to do with the one that
devices know (collector.certificate), which never changes.
"""

import contextlib
import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from collector.self_signed import make_certificate
from collector.settings import WebCertificate
from collector.web.names import Names
from service import keyfile, tls

_log = structlog.get_logger()

FILE_NAME = "web.pem"
# Browsers take no certificate that is valid for longer.
_VALID = timedelta(days=398)
_RENEWED_BEFORE = timedelta(days=30)
# A browser's clock may be behind.
_EARLIER = timedelta(days=1)
_NAME = "Telegauge"
_AT_ANY_TIME = 0x20_0000  # X509_V_FLAG_NO_CHECK_TIME; Python has no name for it


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
            CertificateError: it cannot be made.
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
        keyfile.write(self._file, self._made())
        made = _read(self._file, self._file)
        _log.info("web_certificate_made", ends=made.ends.isoformat(), sha256=made.fingerprint.hex())
        return made

    def _made(self) -> bytes:
        begins = self._now() - _EARLIER
        return make_certificate(_NAME, begins, begins + _VALID, *self.names)

    def _is_good(self, found: Shown) -> bool:
        is_in_time = found.begins <= self._now() < found.ends - _RENEWED_BEFORE
        return is_in_time and found.names.covers(self.names)


def _read(file: Path, key_file: Path) -> Shown:
    """Read what can be shown.

    Raises:
        OSError: it cannot be read, the key is not its key, or no browser can take it (ssl.SSLError).
        ValueError: it says what cannot be understood.
    """
    context = tls.server_context(file, key_file)
    seen = _seen(context, file)
    said: dict[str, Any] = seen.getpeercert() or {}
    return Shown(
        context,
        _names_in(said.get("subjectAltName", ())),
        _instant(said["notBefore"]),
        _instant(said["notAfter"]),
        tls.shown_fingerprint(seen) or b"",
    )


def _seen(context: ssl.SSLContext, file: Path) -> ssl.SSLObject:
    """Show a certificate to a browser that believes in it at any time; return the browser's end.

    What is in a certificate the standard library tells to those alone who have verified it.
    """
    browser = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    browser.check_hostname = False
    browser.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _AT_ANY_TIME
    browser.load_verify_locations(file)
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    seen = browser.wrap_bio(received, sent)
    shown = context.wrap_bio(sent, received, server_side=True)
    for end in (seen, shown, seen):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return seen


def _names_in(said: Iterable[tuple[str, str]]) -> Names:
    return Names(
        frozenset(each.lower() for kind, each in said if kind == "DNS"),
        frozenset(str(ip_address(each)) for kind, each in said if kind == "IP Address"),
    )


def _instant(said: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(said), UTC)


def _changed_ns(file: str) -> int | None:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return None
