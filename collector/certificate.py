"""The collector's certificate: made at the first start, and never again.

Devices know it by its SHA-256, so it is of no authority and does not expire: valid from 1970 to the
end of 9999 (RFC 5280, section 4.1.2.5), since a Pi's clock may stand anywhere. The file holds its
private key too.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from collector.errors import TrustError
from collector.self_signed import make_certificate
from service import keyfile, tls

FILE_NAME = "collector.pem"
_NAME = "telegauge-collector"
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class Certificate(NamedTuple):
    """Where it lies, with its key, and its SHA-256 (of the DER)."""

    file: Path
    fingerprint: bytes


def own_certificate(folder: Path, environ: Mapping[str, str] = os.environ) -> Certificate:
    """Return the certificate that systemd hands over, else the one in `folder`, made if missing.

    Raises:
        KeyFileError: others may read it, or it cannot be written.
        TrustError: it cannot be used.
        CertificateError: it cannot be made.
    """
    file = keyfile.handed_over(FILE_NAME, environ) or folder / FILE_NAME
    if keyfile.read(file, environ) is None:
        keyfile.write(file, make_certificate(_NAME, _BEGIN, _END))
    try:
        return Certificate(file, tls.fingerprint_of_pem(file))
    except (OSError, ValueError) as error:
        raise TrustError(unusable(file, error)) from None


def unusable(file: Path, error: Exception) -> str:
    """Say what to do with a file that is not what it should be."""
    return (
        f"{file} is not the collector's certificate with its key: {error}. Put back a copy of it; "
        "if there is none, remove it: a new one is made, each device has to be invited again, and what it "
        "still holds for the former collector stays on it"
    )
